#include "support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

static napi_value do_mount(napi_env env, napi_callback_info info) {
  napi_value argv[5];
  tp_string source, target, fstype, data;
  int64_t flags;
  if (!tp_args(env, info, 5, argv) || !tp_optional_string(env, argv[0], &source) || !tp_path(env, argv[1], &target) ||
      !tp_optional_string(env, argv[2], &fstype) || !tp_int64(env, argv[3], &flags) || !tp_optional_string(env, argv[4], &data)) {
    return NULL;
  }
  int status = mount(source.absent ? NULL : source.text, target.text, fstype.absent ? NULL : fstype.text, (unsigned long)flags,
                     data.absent ? NULL : data.text);
  return status == 0 ? NULL : tp_throw(env, errno, "mount", target.text);
}

static napi_value do_umount2(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  tp_string target;
  int flags;
  if (!tp_args(env, info, 2, argv) || !tp_path(env, argv[0], &target) || !tp_int(env, argv[1], &flags)) return NULL;
  return umount2(target.text, flags) == 0 ? NULL : tp_throw(env, errno, "umount2", target.text);
}

static napi_value do_chroot(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  tp_string path;
  if (!tp_args(env, info, 1, argv) || !tp_path(env, argv[0], &path)) return NULL;
  return chroot(path.text) == 0 ? NULL : tp_throw(env, errno, "chroot", path.text);
}

static napi_value do_unshare(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  int flags;
  if (!tp_args(env, info, 1, argv) || !tp_int(env, argv[0], &flags)) return NULL;
  return unshare(flags) == 0 ? NULL : tp_throw(env, errno, "unshare", "");
}

static napi_value do_setns(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  int fd, type;
  if (!tp_args(env, info, 2, argv) || !tp_int(env, argv[0], &fd) || !tp_int(env, argv[1], &type)) return NULL;
  return setns(fd, type) == 0 ? NULL : tp_throw_fd(env, errno, "setns", fd);
}

static napi_value do_pivot_root(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  tp_string new_root, put_old;
  if (!tp_args(env, info, 2, argv) || !tp_path(env, argv[0], &new_root) || !tp_path(env, argv[1], &put_old)) return NULL;
  return syscall(SYS_pivot_root, new_root.text, put_old.text) == 0 ? NULL : tp_throw(env, errno, "pivot_root", new_root.text);
}

void tp_init_mounts(napi_env env, napi_value exports) {
  tp_export(env, exports, "mount", do_mount);
  tp_export(env, exports, "umount2", do_umount2);
  tp_export(env, exports, "chroot", do_chroot);
  tp_export(env, exports, "unshare", do_unshare);
  tp_export(env, exports, "setns", do_setns);
  tp_export(env, exports, "pivotRoot", do_pivot_root);
}
