#include "async.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static napi_value do_prctl(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int64_t values[5] = {0};
  if (!tp_args(env, info, 5, argv)) return NULL;
  for (int i = 0; i < 5; i++) {
    if (!tp_is_null(env, argv[i]) && !tp_int64(env, argv[i], &values[i])) return NULL;
  }
  int status = prctl((int)values[0], (unsigned long)values[1], (unsigned long)values[2], (unsigned long)values[3], (unsigned long)values[4]);
  return status >= 0 ? tp_number(env, status) : tp_throw(env, errno, "prctl", "");
}

static napi_value do_pidfd_open(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int pid, flags = 0;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &pid)) return NULL;
  if (!tp_is_null(env, argv[1]) && !tp_int(env, argv[1], &flags)) return NULL;
  long fd = syscall(SYS_pidfd_open, pid, (unsigned)flags);
  if (fd >= 0) return tp_number(env, fd);
  char object[32];
  int error = errno;
  snprintf(object, sizeof object, "%d", pid);
  return tp_throw(env, error, "pidfd_open", object);
}

static napi_value do_pidfd_send_signal(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd, signal_number;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_int(env, argv[1], &signal_number)) return NULL;
  long status = syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0u);
  return status == 0 ? NULL : tp_throw_fd(env, errno, "pidfd_send_signal", fd);
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_until_readable(tp_job *job) {
  struct pollfd polled = {.fd = job->fd, .events = POLLIN};
  int64_t deadline = now_ms() + job->argument;
  for (;;) {
    int64_t left = job->argument < 0 ? -1 : deadline - now_ms();
    int status = poll(&polled, 1, job->argument < 0 ? -1 : left > 0 ? (int)left : 0);
    if (status < 0 && errno == EINTR) continue;
    job->error = status < 0 ? errno : 0;
    job->result = status > 0;
    return;
  }
}

static napi_value settle_result(napi_env env, tp_job *job) {
  return tp_boolean(env, job->result);
}

static napi_value wait_readable(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  tp_job job = {.syscall = "poll", .run = wait_until_readable, .settle = settle_result};
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &job.fd) || !tp_int(env, argv[1], &job.argument)) return NULL;
  return tp_start_job(env, &job);
}

static napi_value limit_number(napi_env env, rlim_t value) {
  napi_value result = NULL;
  /* RLIM_INFINITY becomes JavaScript's Infinity. */
  napi_create_double(env, value == RLIM_INFINITY ? __builtin_inf() : (double)value, &result);
  return result;
}

static napi_value do_getrlimit(napi_env env, napi_callback_info info) {
  napi_value argv[1], result = NULL;
  int resource;
  struct rlimit limit;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &resource)) return NULL;
  if (getrlimit(resource, &limit) != 0) return tp_throw(env, errno, "getrlimit", "");
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "soft", limit_number(env, limit.rlim_cur));
  napi_set_named_property(env, result, "hard", limit_number(env, limit.rlim_max));
  return result;
}

static napi_value set_cloexec(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd;
  bool on;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_bool(env, argv[1], &on)) return NULL;
  return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == 0 ? NULL : tp_throw_fd(env, errno, "fcntl", fd);
}

static napi_value do_pipe(napi_env env, napi_callback_info info) {
  napi_value result = NULL;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return tp_throw(env, errno, "pipe2", "");
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, tp_number(env, ends[0]));
  napi_set_element(env, result, 1, tp_number(env, ends[1]));
  return result;
}

void tp_init_process(napi_env env, napi_value exports) {
  tp_export(env, exports, "prctl", do_prctl);
  tp_export(env, exports, "pidfdOpen", do_pidfd_open);
  tp_export(env, exports, "pidfdSendSignal", do_pidfd_send_signal);
  tp_export(env, exports, "waitReadable", wait_readable);
  tp_export(env, exports, "getrlimit", do_getrlimit);
  tp_export(env, exports, "setCloexec", set_cloexec);
  tp_export(env, exports, "pipe", do_pipe);
}
