#include "support.h"

#include <stdio.h>

static bool type_error(napi_env env, const char *message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

bool tp_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv) {
  size_t given = count;
  /* Absent arguments come as undefined. */
  return napi_get_cb_info(env, info, &given, argv, NULL, NULL) == napi_ok;
}

bool tp_int64(napi_env env, napi_value value, int64_t *out) {
  if (napi_get_value_int64(env, value, out) == napi_ok) return true;
  return type_error(env, "expected a number");
}

bool tp_int(napi_env env, napi_value value, int *out) {
  int64_t wide;
  if (!tp_int64(env, value, &wide)) return false;
  if (wide < INT_MIN || wide > UINT_MAX) return type_error(env, "number out of range");
  *out = (int)wide;
  return true;
}

bool tp_is_null(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && (type == napi_null || type == napi_undefined);
}

bool tp_bool(napi_env env, napi_value value, bool *out) {
  *out = false;
  if (tp_is_null(env, value)) return true;
  if (napi_get_value_bool(env, value, out) == napi_ok) return true;
  return type_error(env, "expected a boolean");
}

bool tp_buffer(napi_env env, napi_value value, tp_bytes *out) {
  napi_typedarray_type type;
  bool is_typed = false;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return type_error(env, "expected a Uint8Array");
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) != napi_ok ||
      (type != napi_uint8_array && type != napi_uint8_clamped_array)) {
    return type_error(env, "expected a Uint8Array");
  }
  out->data = data;
  return true;
}

bool tp_path(napi_env env, napi_value value, tp_string *out) {
  size_t length = 0;
  bool is_typed = false;
  out->absent = false;
  if (napi_get_value_string_utf8(env, value, out->text, sizeof out->text, &length) != napi_ok) {
    tp_bytes bytes;
    if (napi_is_typedarray(env, value, &is_typed) != napi_ok || !is_typed) return type_error(env, "expected a string or a Uint8Array");
    if (!tp_buffer(env, value, &bytes)) return false;
    length = bytes.length < sizeof out->text ? bytes.length : sizeof out->text - 1;
    memcpy(out->text, bytes.data, length);
    out->text[length] = 0;
  }
  if (length >= PATH_MAX) {
    out->text[64] = 0;
    tp_throw(env, ENAMETOOLONG, "path", out->text);
    return false;
  }
  /* "etc\0x" would name /etc to the kernel and something else to whoever checked it. */
  if (memchr(out->text, 0, length) != NULL) {
    tp_throw(env, EINVAL, "path", out->text);
    return false;
  }
  return true;
}

bool tp_optional_string(napi_env env, napi_value value, tp_string *out) {
  if (tp_is_null(env, value)) {
    out->absent = true;
    out->text[0] = 0;
    return true;
  }
  return tp_path(env, value, out);
}

static void set_property(napi_env env, napi_value object, const char *name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

static napi_value make_string(napi_env env, const char *text) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

static const char *errno_name(int number) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
  const char *name = strerrorname_np(number);
  if (name != NULL) return name;
#else
  static const struct { int number; const char *name; } names[] = {
    {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EINTR, "EINTR"}, {EIO, "EIO"}, {EBADF, "EBADF"},
    {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EBUSY, "EBUSY"}, {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"},
    {ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {EMFILE, "EMFILE"}, {ENFILE, "ENFILE"},
    {ENOTTY, "ENOTTY"}, {ENOSPC, "ENOSPC"}, {EROFS, "EROFS"}, {EMLINK, "EMLINK"}, {EPIPE, "EPIPE"}, {ERANGE, "ERANGE"},
    {EDEADLK, "EDEADLK"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOSYS, "ENOSYS"}, {ENOTEMPTY, "ENOTEMPTY"}, {ELOOP, "ELOOP"},
    {ENODATA, "ENODATA"}, {EOVERFLOW, "EOVERFLOW"}, {ENOTSOCK, "ENOTSOCK"}, {EOPNOTSUPP, "EOPNOTSUPP"},
    {ECONNREFUSED, "ECONNREFUSED"}, {ECONNRESET, "ECONNRESET"}, {EDQUOT, "EDQUOT"}, {ESTALE, "ESTALE"}, {E2BIG, "E2BIG"},
    {ENXIO, "ENXIO"}, {EFBIG, "EFBIG"}, {ENOTCONN, "ENOTCONN"}, {EPROTOTYPE, "EPROTOTYPE"},
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (names[i].number == number) return names[i].name;
  }
#endif
  return "EUNKNOWN";
}

napi_value tp_make_error(napi_env env, int number, const char *syscall, const char *object) {
  char message[PATH_MAX + 256];
  const char *name = errno_name(number);
  snprintf(message, sizeof message, "%s%s%s: %s, %s", syscall, object[0] ? " " : "", object, name, strerror(number));
  napi_value error = NULL;
  napi_create_error(env, make_string(env, name), make_string(env, message), &error);
  set_property(env, error, "errno", tp_number(env, number));
  set_property(env, error, "syscall", make_string(env, syscall));
  return error;
}

napi_value tp_throw(napi_env env, int number, const char *syscall, const char *object) {
  napi_throw(env, tp_make_error(env, number, syscall, object));
  return NULL;
}

napi_value tp_throw_fd(napi_env env, int number, const char *syscall, int64_t fd) {
  char object[32];
  snprintf(object, sizeof object, "fd %lld", (long long)fd);
  return tp_throw(env, number, syscall, object);
}

napi_value tp_number(napi_env env, int64_t value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value tp_boolean(napi_env env, bool value) {
  napi_value result = NULL;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value tp_null(napi_env env) {
  napi_value result = NULL;
  napi_get_null(env, &result);
  return result;
}

void tp_export(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function = NULL;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) == napi_ok) {
    set_property(env, exports, name, function);
  }
}
