#include "support.h"

NAPI_MODULE_INIT() {
  tp_init_locks(env, exports);
  tp_init_mounts(env, exports);
  tp_init_files(env, exports);
  tp_init_xattrs(env, exports);
  tp_init_process(env, exports);
  tp_init_spawn(env, exports);
  tp_init_read_loop(env, exports);
  tp_init_sockets(env, exports);
  tp_init_terminal(env, exports);
  tp_init_network(env, exports);
  tp_init_checksum(env, exports);
  tp_init_deflate(env, exports);
  return exports;
}
