/* Files named relative to a directory descriptor. */
#include "support.h"

#include "async.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The first two arguments of most functions here: a directory descriptor and a path. */
static bool at_args(napi_env env, napi_value *argv, int *dirfd, tp_string *path) {
  return tp_int(env, argv[0], dirfd) && tp_path(env, argv[1], path);
}

static napi_value do_openat2(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int dirfd;
  tp_string path;
  int64_t flags, mode, resolve;
  if (!tp_args(env, info, 5, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int64(env, argv[2], &flags) ||
      !tp_int64(env, argv[3], &mode) || !tp_int64(env, argv[4], &resolve)) {
    return NULL;
  }
  struct open_how how;
  memset(&how, 0, sizeof how);
  how.flags = (uint64_t)flags | O_CLOEXEC;
  /* openat2 refuses a mode where nothing is made. */
  how.mode = (flags & (O_CREAT | __O_TMPFILE)) ? (uint64_t)mode : 0;
  how.resolve = (uint64_t)resolve;
  long fd;
  int attempts = 0;
  do {
    fd = syscall(SYS_openat2, dirfd, path.text, &how, sizeof how);
    /* EAGAIN: a rename raced with the scoped lookup of ".."; openat2(2) says to try again. */
  } while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++attempts < 128)));
  return fd >= 0 ? tp_number(env, fd) : tp_throw(env, errno, "openat2", path.text);
}

static napi_value do_mkdirat(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int dirfd, mode;
  tp_string path;
  if (!tp_args(env, info, 3, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int(env, argv[2], &mode)) return NULL;
  return mkdirat(dirfd, path.text, (mode_t)mode) == 0 ? NULL : tp_throw(env, errno, "mkdirat", path.text);
}

static napi_value do_mknodat(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int dirfd, mode, major_number, minor_number;
  tp_string path;
  if (!tp_args(env, info, 5, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int(env, argv[2], &mode) ||
      !tp_int(env, argv[3], &major_number) || !tp_int(env, argv[4], &minor_number)) {
    return NULL;
  }
  dev_t device = makedev((unsigned)major_number, (unsigned)minor_number);
  return mknodat(dirfd, path.text, (mode_t)mode, device) == 0 ? NULL : tp_throw(env, errno, "mknodat", path.text);
}

static napi_value do_symlinkat(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int dirfd;
  tp_string target, path;
  if (!tp_args(env, info, 3, argv) || !tp_path(env, argv[0], &target) || !at_args(env, argv + 1, &dirfd, &path)) return NULL;
  return symlinkat(target.text, dirfd, path.text) == 0 ? NULL : tp_throw(env, errno, "symlinkat", path.text);
}

static napi_value do_linkat(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int old_dirfd, new_dirfd, flags;
  tp_string old_path, new_path;
  if (!tp_args(env, info, 5, argv) || !at_args(env, argv, &old_dirfd, &old_path) || !at_args(env, argv + 2, &new_dirfd, &new_path) ||
      !tp_int(env, argv[4], &flags)) {
    return NULL;
  }
  return linkat(old_dirfd, old_path.text, new_dirfd, new_path.text, flags) == 0 ? NULL : tp_throw(env, errno, "linkat", new_path.text);
}

static napi_value do_unlinkat(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  int dirfd, flags;
  tp_string path;
  if (!tp_args(env, info, 3, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int(env, argv[2], &flags)) return NULL;
  return unlinkat(dirfd, path.text, flags) == 0 ? NULL : tp_throw(env, errno, "unlinkat", path.text);
}

static napi_value do_renameat2(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int old_dirfd, new_dirfd, flags;
  tp_string old_path, new_path;
  if (!tp_args(env, info, 5, argv) || !at_args(env, argv, &old_dirfd, &old_path) || !at_args(env, argv + 2, &new_dirfd, &new_path) ||
      !tp_int(env, argv[4], &flags)) {
    return NULL;
  }
  long status = syscall(SYS_renameat2, old_dirfd, old_path.text, new_dirfd, new_path.text, (unsigned)flags);
  return status == 0 ? NULL : tp_throw(env, errno, "renameat2", old_path.text);
}

static napi_value do_readlinkat(napi_env env, napi_callback_info info) {
  napi_value argv[2], result = NULL;
  int dirfd;
  tp_string path;
  char target[PATH_MAX];
  if (!tp_args(env, info, 2, argv) || !at_args(env, argv, &dirfd, &path)) return NULL;
  ssize_t length = readlinkat(dirfd, path.text, target, sizeof target);
  if (length < 0) return tp_throw(env, errno, "readlinkat", path.text);
  napi_create_string_utf8(env, target, (size_t)length, &result);
  return result;
}

static napi_value do_fchownat(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  int dirfd, uid, gid, flags;
  tp_string path;
  if (!tp_args(env, info, 5, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int(env, argv[2], &uid) ||
      !tp_int(env, argv[3], &gid) || !tp_int(env, argv[4], &flags)) {
    return NULL;
  }
  return fchownat(dirfd, path.text, (uid_t)uid, (gid_t)gid, flags) == 0 ? NULL : tp_throw(env, errno, "fchownat", path.text);
}

static napi_value do_fchmodat(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  int dirfd, mode, flags;
  tp_string path;
  if (!tp_args(env, info, 4, argv) || !at_args(env, argv, &dirfd, &path) || !tp_int(env, argv[2], &mode) ||
      !tp_int(env, argv[3], &flags)) {
    return NULL;
  }
  return fchmodat(dirfd, path.text, (mode_t)mode, flags) == 0 ? NULL : tp_throw(env, errno, "fchmodat", path.text);
}

static napi_value do_utimensat(napi_env env, napi_callback_info info) {
  napi_value argv[7];
  int dirfd, flags;
  tp_string path;
  int64_t atime = 0, atime_nanos, mtime, mtime_nanos;
  if (!tp_args(env, info, 7, argv) || !at_args(env, argv, &dirfd, &path)) return NULL;
  bool omit = tp_is_null(env, argv[2]);
  if ((!omit && !tp_int64(env, argv[2], &atime)) || !tp_int64(env, argv[3], &atime_nanos) || !tp_int64(env, argv[4], &mtime) ||
      !tp_int64(env, argv[5], &mtime_nanos) || !tp_int(env, argv[6], &flags)) {
    return NULL;
  }
  struct timespec times[2] = {
    {.tv_sec = (time_t)atime, .tv_nsec = omit ? UTIME_OMIT : (long)atime_nanos},
    {.tv_sec = (time_t)mtime, .tv_nsec = (long)mtime_nanos},
  };
  return utimensat(dirfd, path.text, times, flags) == 0 ? NULL : tp_throw(env, errno, "utimensat", path.text);
}

static napi_value do_set_top_directory(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int fd;
  int flags = 0;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &fd)) return NULL;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0) return tp_throw_fd(env, errno, "ioctl(FS_IOC_GETFLAGS)", fd);
  if (flags & FS_TOPDIR_FL) return NULL;
  flags |= FS_TOPDIR_FL;
  return ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0 ? NULL : tp_throw_fd(env, errno, "ioctl(FS_IOC_SETFLAGS)", fd);
}

static napi_value do_syncfs_sync(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int fd;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &fd)) return NULL;
  return syncfs(fd) == 0 ? NULL : tp_throw_fd(env, errno, "syncfs", fd);
}

static void run_syncfs(tp_job *job) {
  job->error = syncfs(job->fd) == 0 ? 0 : errno;
}

static napi_value settle_undefined(napi_env env, tp_job *job) {
  napi_value result = NULL;
  napi_get_undefined(env, &result);
  return result;
}

static napi_value do_syncfs(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  tp_job job = {.syscall = "syncfs", .run = run_syncfs, .settle = settle_undefined};
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &job.fd)) return NULL;
  return tp_start_job(env, &job);
}

void tp_init_files(napi_env env, napi_value exports) {
  tp_export(env, exports, "openat2", do_openat2);
  tp_export(env, exports, "mkdirat", do_mkdirat);
  tp_export(env, exports, "mknodat", do_mknodat);
  tp_export(env, exports, "symlinkat", do_symlinkat);
  tp_export(env, exports, "linkat", do_linkat);
  tp_export(env, exports, "unlinkat", do_unlinkat);
  tp_export(env, exports, "renameat2", do_renameat2);
  tp_export(env, exports, "readlinkat", do_readlinkat);
  tp_export(env, exports, "fchownat", do_fchownat);
  tp_export(env, exports, "fchmodat", do_fchmodat);
  tp_export(env, exports, "utimensat", do_utimensat);
  tp_export(env, exports, "setTopDirectory", do_set_top_directory);
  tp_export(env, exports, "syncfsSync", do_syncfs_sync);
  tp_export(env, exports, "syncfs", do_syncfs);
}
