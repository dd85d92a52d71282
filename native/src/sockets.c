#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * Fills in the address of `path`. One longer than sun_path is reached through /proc/self/fd and an O_PATH
 * descriptor, which is stored in *holder and stays open until connect() has returned.
 */
static int socket_address(const char *path, struct sockaddr_un *address, int *holder) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  *holder = -1;
  if (strlen(path) < sizeof address->sun_path) {
    strcpy(address->sun_path, path);
    return 0;
  }
  *holder = open(path, O_PATH | O_CLOEXEC);
  if (*holder < 0) return errno;
  snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d", *holder);
  return 0;
}

static napi_value seqpacket_connect(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  tp_string path;
  struct sockaddr_un address;
  int holder;
  if (!tp_args(env, info, 1, argv) || !tp_path(env, argv[0], &path)) return NULL;
  int error = socket_address(path.text, &address, &holder);
  if (error != 0) return tp_throw(env, error, "connect", path.text);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) error = errno;
  if (holder >= 0) close(holder);
  if (error == 0) return tp_number(env, fd);
  if (fd >= 0) close(fd);
  return tp_throw(env, error, "connect", path.text);
}

static napi_value do_shutdown(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd, how;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_int(env, argv[1], &how)) return NULL;
  return shutdown(fd, how) == 0 ? NULL : tp_throw_fd(env, errno, "shutdown", fd);
}

static napi_value write_all(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd;
  tp_bytes bytes;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_buffer(env, argv[1], &bytes)) return NULL;
  size_t done = 0;
  while (done < bytes.length) {
    ssize_t written = write(fd, bytes.data + done, bytes.length - done);
    if (written >= 0) {
      done += (size_t)written;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return tp_throw_fd(env, errno, "write", fd);
    struct pollfd polled = {.fd = fd, .events = POLLOUT};
    if (poll(&polled, 1, -1) < 0 && errno != EINTR) return tp_throw_fd(env, errno, "poll", fd);
  }
  return NULL;
}

void tp_init_sockets(napi_env env, napi_value exports) {
  tp_export(env, exports, "seqpacketConnect", seqpacket_connect);
  tp_export(env, exports, "shutdown", do_shutdown);
  tp_export(env, exports, "writeAll", write_all);
}
