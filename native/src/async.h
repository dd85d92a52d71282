/* A blocking system call on a thread of its own, with a promise for its end. */
#ifndef TPOD_ASYNC_H
#define TPOD_ASYNC_H

#include "support.h"

typedef struct tp_job tp_job;

struct tp_job {
  const char *syscall;
  /* A duplicate of the caller's descriptor: the caller may close its own while the thread waits. */
  int fd;
  int argument;
  /* Set by run(): 0 or an errno, and the value that the promise resolves with. */
  int error;
  int result;
  /* The runtime may end while this waits. */
  bool unreferenced;
  void (*run)(tp_job *job);
  napi_value (*settle)(napi_env env, tp_job *job);
  napi_deferred deferred;
  napi_threadsafe_function done;
};

/* Starts run() and returns the promise, or throws. `template` is copied; its fd is the caller's. */
napi_value tp_start_job(napi_env env, const tp_job *template);

/* Starts a detached thread with a small stack that no signal is delivered to. Returns an errno. */
int tp_start_thread(void *(*main)(void *), void *argument);

#endif
