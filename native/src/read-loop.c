/*
 * readLoop: reads a descriptor on a thread of its own. At most QUEUE_LENGTH chunks wait for JavaScript; then the
 * reader waits too, and the writer at the other end feels it.
 *
 * The thread owns `loop` until it releases the threadsafe function; the finalizer, on the JavaScript thread and
 * after the last call, frees it. The stop function holds a reference of its own.
 */
#include "async.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUE_LENGTH 32
#define CHUNK_MAX (16 * 1024 * 1024)

typedef struct {
  int fd;
  int wake;
  size_t chunk_bytes;
  atomic_bool stopped;
  atomic_int references;
  napi_threadsafe_function report;
} read_loop;

typedef struct {
  int error;
  ssize_t length;
  uint8_t bytes[];
} read_report;

static void drop_reference(read_loop *loop) {
  if (atomic_fetch_sub(&loop->references, 1) != 1) return;
  close(loop->wake);
  free(loop);
}

/* True when there is something to read; false once stopped. */
static bool wait_for_data(read_loop *loop) {
  struct pollfd polled[2] = {{.fd = loop->fd, .events = POLLIN}, {.fd = loop->wake, .events = POLLIN}};
  for (;;) {
    int status = poll(polled, 2, -1);
    if (atomic_load(&loop->stopped)) return false;
    if (status > 0 && polled[0].revents != 0) return true;
    if (status < 0 && errno != EINTR) return true;
  }
}

static read_report *read_once(read_loop *loop) {
  read_report *report = malloc(sizeof *report + loop->chunk_bytes);
  if (report == NULL) return NULL;
  do {
    report->length = read(loop->fd, report->bytes, loop->chunk_bytes);
  } while (report->length < 0 && errno == EINTR);
  report->error = report->length < 0 ? errno : 0;
  /* A pseudo-terminal tells that its other side was closed with EIO. */
  if (report->error == EIO && isatty(loop->fd)) {
    report->error = 0;
    report->length = 0;
  }
  return report;
}

static void *read_main(void *argument) {
  read_loop *loop = argument;
  bool alive = true;
  while (alive && wait_for_data(loop)) {
    read_report *report = read_once(loop);
    if (report == NULL) break;
    if (report->error == EAGAIN) {
      free(report);
      continue;
    }
    alive = report->length > 0;
    if (report->length > 0) {
      read_report *fitted = realloc(report, sizeof *report + (size_t)report->length);
      if (fitted != NULL) report = fitted;
    }
    if (napi_call_threadsafe_function(loop->report, report, napi_tsfn_blocking) != napi_ok) {
      /* The runtime is going away and has taken our share of the function with it. */
      free(report);
      close(loop->fd);
      drop_reference(loop);
      return NULL;
    }
  }
  close(loop->fd);
  napi_release_threadsafe_function(loop->report, napi_tsfn_release);
  drop_reference(loop);
  return NULL;
}

static void deliver(napi_env env, napi_value callback, void *context, void *data) {
  read_loop *loop = context;
  read_report *report = data;
  if (env != NULL && callback != NULL && !atomic_load(&loop->stopped)) {
    napi_value argv[2] = {tp_null(env), tp_null(env)}, self = NULL;
    if (report->error != 0) argv[0] = tp_make_error(env, report->error, "read", "");
    else if (report->length > 0) napi_create_buffer_copy(env, (size_t)report->length, report->bytes, NULL, &argv[1]);
    napi_get_undefined(env, &self);
    if (napi_call_function(env, self, callback, 2, argv, NULL) == napi_pending_exception) {
      napi_value thrown = NULL;
      napi_get_and_clear_last_exception(env, &thrown);
      napi_fatal_exception(env, thrown);
    }
  }
  free(report);
}

static void finalize_report(napi_env env, void *data, void *hint) {
  drop_reference(data);
}

static void finalize_stop(napi_env env, void *data, void *hint) {
  drop_reference(data);
}

static napi_value stop_loop(napi_env env, napi_callback_info info) {
  void *data = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, &data) != napi_ok) return NULL;
  read_loop *loop = data;
  uint64_t one = 1;
  if (!atomic_exchange(&loop->stopped, true) && write(loop->wake, &one, sizeof one) < 0) return tp_throw(env, errno, "write", "");
  return NULL;
}

static napi_value start_loop(napi_env env, napi_callback_info info) {
  napi_value argv[3], name = NULL, stop = NULL;
  int fd;
  int64_t chunk_bytes;
  if (!tp_args(env, info, 3, argv) || !tp_int(env, argv[0], &fd) || !tp_int64(env, argv[1], &chunk_bytes)) return NULL;
  if (chunk_bytes < 1 || chunk_bytes > CHUNK_MAX) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "chunkBytes must be 1 to 16777216");
    return NULL;
  }
  read_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) return tp_throw(env, ENOMEM, "readLoop", "");
  loop->chunk_bytes = (size_t)chunk_bytes;
  /* The thread, the threadsafe function and the stop function. */
  atomic_init(&loop->references, 3);
  loop->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (loop->fd < 0 || loop->wake < 0) {
    int error = errno;
    if (loop->fd >= 0) close(loop->fd);
    if (loop->wake >= 0) close(loop->wake);
    free(loop);
    return tp_throw_fd(env, error, "read", fd);
  }
  napi_create_string_utf8(env, "tpod readLoop", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, argv[2], NULL, name, QUEUE_LENGTH, 1, loop, finalize_report, loop, deliver, &loop->report) != napi_ok) {
    close(loop->fd);
    close(loop->wake);
    free(loop);
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "expected a function");
    return NULL;
  }
  napi_create_function(env, "stop", NAPI_AUTO_LENGTH, stop_loop, loop, &stop);
  napi_add_finalizer(env, stop, loop, finalize_stop, NULL, NULL);
  int error = tp_start_thread(read_main, loop);
  if (error != 0) {
    close(loop->fd);
    napi_release_threadsafe_function(loop->report, napi_tsfn_release);
    drop_reference(loop);
    return tp_throw(env, error, "pthread_create", "");
  }
  return stop;
}

void tp_init_read_loop(napi_env env, napi_value exports) {
  tp_export(env, exports, "readLoop", start_loop);
}
