/* Starting helpers with exactly the descriptors they are given, and waiting for their end by pidfd. */
#include "async.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAXIMUM_FDS 1100

typedef struct {
  char *path;
  char **argv;
  char **envp;
  int fds[MAXIMUM_FDS];
  int count;
  bool new_session;
} spawn_request;

static void free_strings(char **strings) {
  if (strings == NULL) return;
  for (char **each = strings; *each != NULL; each++) free(*each);
  free(strings);
}

static char *read_string(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return NULL;
  char *text = malloc(length + 1);
  if (text != NULL) napi_get_value_string_utf8(env, value, text, length + 1, &length);
  return text;
}

/* A NULL-terminated copy; NULL when it is no array of strings or memory is short. */
static char **read_strings(napi_env env, napi_value array) {
  uint32_t count = 0;
  if (napi_get_array_length(env, array, &count) != napi_ok) return NULL;
  char **strings = calloc((size_t)count + 1, sizeof *strings);
  for (uint32_t i = 0; strings != NULL && i < count; i++) {
    napi_value element;
    napi_get_element(env, array, i, &element);
    strings[i] = read_string(env, element);
    if (strings[i] == NULL) {
      free_strings(strings);
      return NULL;
    }
  }
  return strings;
}

/* Sources above all targets, so that no dup2 of the child overwrites one that is still needed. */
static int lift_fds(napi_env env, napi_value array, spawn_request *request) {
  uint32_t count = 0;
  napi_get_array_length(env, array, &count);
  if (count > MAXIMUM_FDS) return E2BIG;
  for (uint32_t i = 0; i < count; i++) {
    napi_value element;
    int fd = -1;
    napi_get_element(env, array, i, &element);
    if (napi_get_value_int32(env, element, &fd) != napi_ok) return EINVAL;
    int source = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fd;
    int lifted = source < 0 ? -1 : fcntl(source, F_DUPFD_CLOEXEC, (int)count);
    int error = errno;
    if (fd < 0 && source >= 0) close(source);
    if (lifted < 0) return error;
    request->fds[request->count++] = lifted;
  }
  return 0;
}

/* Between vfork and execve: memory is the parent's, so only system calls, and nothing of the parent's is changed. */
static void run_child(const spawn_request *request, volatile int *error) {
  struct sigaction ignored, standard = {.sa_handler = SIG_DFL};
  sigset_t none;
  for (int number = 1; number < NSIG; number++) {
    if (sigaction(number, NULL, &ignored) == 0 && ignored.sa_handler != SIG_DFL) sigaction(number, &standard, NULL);
  }
  if (request->new_session) setsid();
  for (int i = 0; i < request->count; i++) {
    if (dup2(request->fds[i], i) < 0) goto failed;
  }
  /* Whatever the caller of this program left open reaches no helper, and so no container. */
  if (syscall(SYS_close_range, (unsigned)request->count, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) != 0) {
    for (int fd = request->count; fd < 1024; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(request->path, request->argv, request->envp);
failed:
  *error = errno;
  _exit(127);
}

static pid_t start_child(const spawn_request *request, int *error) {
  volatile int failure = 0;
  sigset_t all, saved;
  sigfillset(&all);
  /* No handler of the parent's may run on the memory that the child shares. */
  pthread_sigmask(SIG_SETMASK, &all, &saved);
  pid_t pid = vfork();
  if (pid == 0) run_child(request, &failure);
  int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  *error = pid < 0 ? fork_error : failure;
  if (pid > 0 && failure != 0) waitpid(pid, NULL, 0);
  return pid;
}

static napi_value spawn_child(napi_env env, napi_callback_info info) {
  napi_value argv[5], result = NULL;
  if (!tp_args(env, info, 5, argv)) return NULL;
  spawn_request *request = calloc(1, sizeof *request);
  if (request == NULL) return tp_throw(env, ENOMEM, "spawn", "");
  request->path = read_string(env, argv[0]);
  request->argv = read_strings(env, argv[1]);
  request->envp = read_strings(env, argv[2]);
  int error = request->path == NULL || request->argv == NULL || request->envp == NULL ? EINVAL : lift_fds(env, argv[3], request);
  pid_t pid = -1;
  int pidfd = -1;
  if (error == 0 && tp_bool(env, argv[4], &request->new_session)) pid = start_child(request, &error);
  if (pid > 0 && error == 0) pidfd = (int)syscall(SYS_pidfd_open, pid, 0u);
  for (int i = 0; i < request->count; i++) close(request->fds[i]);
  if (error != 0) {
    tp_throw(env, error, "spawn", request->path == NULL ? "" : request->path);
  } else if (pid > 0) {
    napi_create_array_with_length(env, 2, &result);
    napi_set_element(env, result, 0, tp_number(env, pid));
    napi_set_element(env, result, 1, tp_number(env, pidfd));
  }
  free(request->path);
  free_strings(request->argv);
  free_strings(request->envp);
  free(request);
  return result;
}

static void wait_for_end(tp_job *job) {
  struct pollfd polled = {.fd = job->fd, .events = POLLIN};
  siginfo_t end = {0};
  while (poll(&polled, 1, -1) < 0 && errno == EINTR) {
  }
  /* P_PIDFD; older headers have no name for it. */
  if (waitid((idtype_t)3, (id_t)job->fd, &end, WEXITED) != 0) {
    job->error = errno;
    return;
  }
  job->result = end.si_code == CLD_EXITED ? end.si_status : -end.si_status;
}

static napi_value settle_status(napi_env env, tp_job *job) {
  return tp_number(env, job->result);
}

static napi_value wait_child(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  bool keeps_alive;
  tp_job job = {.syscall = "waitid", .run = wait_for_end, .settle = settle_status};
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &job.fd) || !tp_bool(env, argv[1], &keeps_alive)) return NULL;
  job.unreferenced = !keeps_alive;
  return tp_start_job(env, &job);
}

typedef struct {
  char **paths;
  char *text;
} write_request;

static void *write_main(void *argument) {
  write_request *request = argument;
  for (char **path = request->paths; *path != NULL; path++) {
    int fd = open(*path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    /* Best effort: the caller has said that it does not want to know. */
    ssize_t ignored = write(fd, request->text, strlen(request->text));
    (void)ignored;
    close(fd);
  }
  free_strings(request->paths);
  free(request->text);
  free(request);
  return NULL;
}

static napi_value write_each_later(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  if (!tp_args(env, info, 2, argv)) return NULL;
  write_request *request = calloc(1, sizeof *request);
  if (request == NULL) return tp_throw(env, ENOMEM, "write", "");
  request->paths = read_strings(env, argv[0]);
  request->text = read_string(env, argv[1]);
  int error = request->paths == NULL || request->text == NULL ? EINVAL : tp_start_thread(write_main, request);
  if (error == 0) return NULL;
  free_strings(request->paths);
  free(request->text);
  free(request);
  return tp_throw(env, error, "write", "");
}

void tp_init_spawn(napi_env env, napi_value exports) {
  tp_export(env, exports, "spawn", spawn_child);
  tp_export(env, exports, "waitChild", wait_child);
  tp_export(env, exports, "writeEachLater", write_each_later);
}
