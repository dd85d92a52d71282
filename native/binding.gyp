{
  "targets": [
    {
      "target_name": "tpod",
      "sources": [
        "src/module.c",
        "src/support.c",
        "src/async.c",
        "src/locks.c",
        "src/mounts.c",
        "src/files.c",
        "src/xattrs.c",
        "src/process.c",
        "src/spawn.c",
        "src/read-loop.c",
        "src/sockets.c",
        "src/terminal.c",
        "src/network.c",
        "src/checksum.c",
        "src/deflate.c"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
      "cflags": ["-O3", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden", "-fstack-protector-strong"],
      "ldflags": ["-Wl,-z,relro,-z,now", "-Wl,--gc-sections"]
    }
  ]
}
