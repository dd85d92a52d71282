/* Open-file-description locks on whole files: fcntl_locking(2), "Open file description locks". */
#include "async.h"

#include <fcntl.h>
#include <unistd.h>

static bool lock_type(napi_env env, napi_value value, short *out) {
  static const short types[] = {F_RDLCK, F_WRLCK, F_UNLCK};
  int index;
  if (!tp_int(env, value, &index)) return false;
  if (index < 0 || index > 2) {
    napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "lock type must be 0, 1 or 2");
    return false;
  }
  *out = types[index];
  return true;
}

static struct flock whole_file(short type) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

static napi_value try_ofd_lock(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd;
  short type;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !lock_type(env, argv[1], &type)) return NULL;
  struct flock lock = whole_file(type);
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return tp_boolean(env, true);
  if (errno == EAGAIN || errno == EACCES) return tp_boolean(env, false);
  return tp_throw_fd(env, errno, "fcntl", fd);
}

static void wait_lock(tp_job *job) {
  struct flock lock = whole_file((short)job->argument);
  int status;
  do {
    status = fcntl(job->fd, F_OFD_SETLKW, &lock);
  } while (status < 0 && errno == EINTR);
  job->error = status < 0 ? errno : 0;
}

static napi_value settle_undefined(napi_env env, tp_job *job) {
  napi_value result = NULL;
  napi_get_undefined(env, &result);
  return result;
}

static napi_value wait_ofd_lock(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  short type;
  tp_job job = {.syscall = "fcntl", .run = wait_lock, .settle = settle_undefined};
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &job.fd) || !lock_type(env, argv[1], &type)) return NULL;
  job.argument = type;
  return tp_start_job(env, &job);
}

static napi_value get_ofd_lock(napi_env env, napi_callback_info info) {
  napi_value argv[2], result = NULL;
  int fd;
  short type;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !lock_type(env, argv[1], &type)) return NULL;
  struct flock lock = whole_file(type);
  if (fcntl(fd, F_OFD_GETLK, &lock) < 0) return tp_throw_fd(env, errno, "fcntl", fd);
  if (lock.l_type == F_UNLCK) return tp_null(env);
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "type", tp_number(env, lock.l_type == F_WRLCK ? 1 : 0));
  napi_set_named_property(env, result, "pid", tp_number(env, lock.l_pid));
  return result;
}

void tp_init_locks(napi_env env, napi_value exports) {
  tp_export(env, exports, "tryOfdLock", try_ofd_lock);
  tp_export(env, exports, "waitOfdLock", wait_ofd_lock);
  tp_export(env, exports, "getOfdLock", get_ofd_lock);
}
