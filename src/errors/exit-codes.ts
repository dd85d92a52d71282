/** Process exit statuses, as podman-run(1) and docker document them. */
export const ExitCode = {
  ok: 0,
  /** `rm`, `rmi`: an object was not found. */
  notFound: 1,
  /** `rm`, `rmi`: an object is in use. */
  inUse: 2,
  /** The tool itself failed. */
  engineFailure: 125,
  /** The contained command cannot be invoked. */
  cannotInvoke: 126,
  /** The contained command cannot be found. */
  commandNotFound: 127,
  /** Added to a signal's number when a signal ended the process. */
  signalBase: 128,
} as const
