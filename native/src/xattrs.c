#include "support.h"

#include <sys/xattr.h>

/* VFS limits: an attribute's value and the list of names are at most 64 KiB each (linux/limits.h XATTR_SIZE_MAX). */
#define XATTR_MAX 65536

static napi_value do_getxattr(napi_env env, napi_callback_info info) {
  napi_value argv[3], result = NULL;
  tp_string path, name;
  bool follow;
  if (!tp_args(env, info, 3, argv) || !tp_path(env, argv[0], &path) || !tp_path(env, argv[1], &name) || !tp_bool(env, argv[2], &follow)) {
    return NULL;
  }
  char small[1024];
  char *value = small;
  ssize_t length = (follow ? getxattr : lgetxattr)(path.text, name.text, value, sizeof small);
  if (length < 0 && errno == ERANGE) {
    value = malloc(XATTR_MAX);
    if (value == NULL) return tp_throw(env, ENOMEM, "getxattr", path.text);
    length = (follow ? getxattr : lgetxattr)(path.text, name.text, value, XATTR_MAX);
  }
  int error = errno;
  if (length >= 0) napi_create_buffer_copy(env, (size_t)length, value, NULL, &result);
  if (value != small) free(value);
  if (length >= 0) return result;
  return error == ENODATA ? tp_null(env) : tp_throw(env, error, "getxattr", path.text);
}

static napi_value do_setxattr(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  tp_string path, name;
  tp_bytes value;
  bool follow;
  if (!tp_args(env, info, 4, argv) || !tp_path(env, argv[0], &path) || !tp_path(env, argv[1], &name) ||
      !tp_buffer(env, argv[2], &value) || !tp_bool(env, argv[3], &follow)) {
    return NULL;
  }
  int status = (follow ? setxattr : lsetxattr)(path.text, name.text, value.data, value.length, 0);
  return status == 0 ? NULL : tp_throw(env, errno, "setxattr", path.text);
}

static napi_value do_removexattr(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  tp_string path, name;
  bool follow;
  if (!tp_args(env, info, 3, argv) || !tp_path(env, argv[0], &path) || !tp_path(env, argv[1], &name) || !tp_bool(env, argv[2], &follow)) {
    return NULL;
  }
  return (follow ? removexattr : lremovexattr)(path.text, name.text) == 0 ? NULL : tp_throw(env, errno, "removexattr", path.text);
}

static napi_value do_listxattr(napi_env env, napi_callback_info info) {
  napi_value argv[2], result = NULL;
  tp_string path;
  bool follow;
  if (!tp_args(env, info, 2, argv) || !tp_path(env, argv[0], &path) || !tp_bool(env, argv[1], &follow)) return NULL;
  char small[1024];
  char *names = small;
  ssize_t length = (follow ? listxattr : llistxattr)(path.text, names, sizeof small);
  if (length < 0 && errno == ERANGE) {
    names = malloc(XATTR_MAX);
    if (names == NULL) return tp_throw(env, ENOMEM, "listxattr", path.text);
    length = (follow ? listxattr : llistxattr)(path.text, names, XATTR_MAX);
  }
  if (length < 0) {
    int error = errno;
    if (names != small) free(names);
    return tp_throw(env, error, "listxattr", path.text);
  }
  napi_create_array(env, &result);
  uint32_t index = 0;
  for (ssize_t at = 0; at < length;) {
    napi_value name = NULL;
    size_t size = strlen(names + at);
    napi_create_string_utf8(env, names + at, size, &name);
    napi_set_element(env, result, index++, name);
    at += (ssize_t)size + 1;
  }
  if (names != small) free(names);
  return result;
}

void tp_init_xattrs(napi_env env, napi_value exports) {
  tp_export(env, exports, "getxattr", do_getxattr);
  tp_export(env, exports, "setxattr", do_setxattr);
  tp_export(env, exports, "removexattr", do_removexattr);
  tp_export(env, exports, "listxattr", do_listxattr);
}
