/* What every binding needs: arguments out of JavaScript, errors into it. */
#ifndef TPOD_SUPPORT_H
#define TPOD_SUPPORT_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <node_api.h>

/* A path or an option string; the kernel takes at most PATH_MAX (one page) with its NUL. */
typedef struct {
  char text[PATH_MAX + 1];
  bool absent;
} tp_string;

typedef struct {
  uint8_t *data;
  size_t length;
} tp_bytes;

/* Readers of arguments: false after having thrown. */
bool tp_args(napi_env env, napi_callback_info info, size_t count, napi_value *argv);
bool tp_int64(napi_env env, napi_value value, int64_t *out);
bool tp_int(napi_env env, napi_value value, int *out);
bool tp_bool(napi_env env, napi_value value, bool *out);
bool tp_path(napi_env env, napi_value value, tp_string *out);
bool tp_optional_string(napi_env env, napi_value value, tp_string *out);
bool tp_buffer(napi_env env, napi_value value, tp_bytes *out);
bool tp_is_null(napi_env env, napi_value value);

napi_value tp_make_error(napi_env env, int number, const char *syscall, const char *object);
/* Throw for errno `number`; both return NULL, so that a binding can return the call. */
napi_value tp_throw(napi_env env, int number, const char *syscall, const char *object);
napi_value tp_throw_fd(napi_env env, int number, const char *syscall, int64_t fd);

napi_value tp_number(napi_env env, int64_t value);
napi_value tp_boolean(napi_env env, bool value);
napi_value tp_null(napi_env env);
void tp_export(napi_env env, napi_value exports, const char *name, napi_callback callback);

/* Eight bytes, the first the least significant, on every machine. */
static inline uint64_t tp_load64(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

void tp_init_locks(napi_env env, napi_value exports);
void tp_init_mounts(napi_env env, napi_value exports);
void tp_init_files(napi_env env, napi_value exports);
void tp_init_xattrs(napi_env env, napi_value exports);
void tp_init_process(napi_env env, napi_value exports);
void tp_init_spawn(napi_env env, napi_value exports);
void tp_init_read_loop(napi_env env, napi_value exports);
void tp_init_sockets(napi_env env, napi_value exports);
void tp_init_terminal(napi_env env, napi_value exports);
void tp_init_network(napi_env env, napi_value exports);
void tp_init_checksum(napi_env env, napi_value exports);
void tp_init_deflate(napi_env env, napi_value exports);

#endif
