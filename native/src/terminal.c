#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

/* SIGTTOU would stop a background process in the middle of putting its terminal right. */
static int set_attributes(int fd, const struct termios *wanted) {
  sigset_t blocked, saved;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &blocked, &saved);
  int status;
  do {
    status = tcsetattr(fd, TCSANOW, wanted);
  } while (status != 0 && errno == EINTR);
  int error = status == 0 ? 0 : errno;
  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  return error;
}

static napi_value get_winsize(napi_env env, napi_callback_info info) {
  napi_value argv[1], result = NULL;
  int fd;
  struct winsize size;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &fd)) return NULL;
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) {
    /* Each kind of descriptor that is no terminal has its own way of saying so. */
    if (errno == ENOTTY || errno == EINVAL || errno == EOPNOTSUPP) return tp_null(env);
    return tp_throw_fd(env, errno, "ioctl", fd);
  }
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "rows", tp_number(env, size.ws_row));
  napi_set_named_property(env, result, "columns", tp_number(env, size.ws_col));
  return result;
}

static napi_value set_winsize(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int fd, rows, columns;
  if (!tp_args(env, info, 3, argv) || !tp_int(env, argv[0], &fd) || !tp_int(env, argv[1], &rows) || !tp_int(env, argv[2], &columns)) {
    return NULL;
  }
  struct winsize size;
  memset(&size, 0, sizeof size);
  size.ws_row = (unsigned short)rows;
  size.ws_col = (unsigned short)columns;
  return ioctl(fd, TIOCSWINSZ, &size) == 0 ? NULL : tp_throw_fd(env, errno, "ioctl", fd);
}

static napi_value set_raw(napi_env env, napi_callback_info info) {
  napi_value argv[1], result = NULL;
  int fd;
  struct termios saved, raw;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &fd)) return NULL;
  if (tcgetattr(fd, &saved) != 0) return tp_throw_fd(env, errno, "tcgetattr", fd);
  raw = saved;
  cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  int error = set_attributes(fd, &raw);
  if (error != 0) return tp_throw_fd(env, error, "tcsetattr", fd);
  napi_create_buffer_copy(env, sizeof saved, &saved, NULL, &result);
  return result;
}

static napi_value restore_termios(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd;
  tp_bytes bytes;
  struct termios saved;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_buffer(env, argv[1], &bytes)) return NULL;
  if (bytes.length != sizeof saved) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "not the bytes that setRaw returned");
    return NULL;
  }
  memcpy(&saved, bytes.data, sizeof saved);
  int error = set_attributes(fd, &saved);
  return error == 0 ? NULL : tp_throw_fd(env, error, "tcsetattr", fd);
}

void tp_init_terminal(napi_env env, napi_value exports) {
  tp_export(env, exports, "getWinsize", get_winsize);
  tp_export(env, exports, "setWinsize", set_winsize);
  tp_export(env, exports, "setRaw", set_raw);
  tp_export(env, exports, "restoreTermios", restore_termios);
}
