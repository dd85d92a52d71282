#include "async.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

int tp_start_thread(void *(*main)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_t thread;
  sigset_t all, saved;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &saved);
  int error = pthread_create(&thread, &attributes, main, argument);
  pthread_sigmask(SIG_SETMASK, &saved, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

static void *job_main(void *argument) {
  tp_job *job = argument;
  napi_threadsafe_function done = job->done;
  job->run(job);
  close(job->fd);
  if (napi_call_threadsafe_function(done, job, napi_tsfn_blocking) == napi_ok) {
    napi_release_threadsafe_function(done, napi_tsfn_release);
  } else {
    /* The runtime is going away: nobody is left to hear of it. */
    free(job);
  }
  return NULL;
}

static void job_done(napi_env env, napi_value callback, void *context, void *data) {
  tp_job *job = data;
  if (env != NULL) {
    if (job->error != 0) {
      char object[32] = "";
      napi_reject_deferred(env, job->deferred, tp_make_error(env, job->error, job->syscall, object));
    } else {
      napi_resolve_deferred(env, job->deferred, job->settle(env, job));
    }
  }
  free(job);
}

napi_value tp_start_job(napi_env env, const tp_job *template) {
  napi_value name = NULL, promise = NULL;
  tp_job *job = malloc(sizeof *job);
  if (job == NULL) return tp_throw(env, ENOMEM, template->syscall, "");
  *job = *template;
  job->fd = fcntl(template->fd, F_DUPFD_CLOEXEC, 3);
  if (job->fd < 0) {
    int error = errno;
    free(job);
    return tp_throw_fd(env, error, template->syscall, template->fd);
  }
  napi_create_string_utf8(env, "tpod", NAPI_AUTO_LENGTH, &name);
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok ||
      napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, job_done, &job->done) != napi_ok) {
    close(job->fd);
    free(job);
    return tp_throw(env, ENOMEM, template->syscall, "");
  }
  if (job->unreferenced) napi_unref_threadsafe_function(env, job->done);
  int error = tp_start_thread(job_main, job);
  if (error != 0) {
    napi_release_threadsafe_function(job->done, napi_tsfn_release);
    napi_reject_deferred(env, job->deferred, tp_make_error(env, error, "pthread_create", ""));
    close(job->fd);
    free(job);
  }
  return promise;
}
