/** conmon(8)'s command line, for a container's first process and for a detached exec session. */

export interface ConmonOptions {
  containerId: string
  /** Exec: the session's id; else the container's. */
  uuid: string
  name: string
  bundle: string
  pidFile: string
  exitDirectory: string
  /** conmon writes `exit` and `oom` here too; the bundle serves. */
  persistDirectory: string
  runtimePath: string
  /** Global options of the runtime, before its verb: --root, --cgroup-manager … */
  runtimeArgs: readonly string[]
  systemdCgroup: boolean
  terminal: boolean
  stdin: boolean
  logDriver: string
  logPath: string
  logSizeMaxBytes?: number
  logTag?: string
  /** 0: none. */
  timeoutSec: number
  /** The log of a container that is removed on exit is not worth an fsync. */
  syncLog: boolean
  exitCommand: readonly string[]
  /** Grace for a foreground process to clean up itself and end conmon before the exit command starts. */
  exitDelaySec: number
  noNewKeyring: boolean
  noPivot: boolean
  sdnotifySocket?: string
}

export function conmonArgs(options: ConmonOptions): string[] {
  const args = [
    '--api-version', '1', '--sync', '-c', options.containerId, '-u', options.uuid, '-r', options.runtimePath, '-b', options.bundle,
    '-p', options.pidFile, '-n', options.name, '--exit-dir', options.exitDirectory, '--persist-dir', options.persistDirectory,
    '--full-attach', '-l', logArgument(options.logDriver, options.logPath), '--log-level', 'error',
  ]
  for (const argument of options.runtimeArgs) args.push('--runtime-arg', argument)
  if (options.systemdCgroup) args.push('-s')
  // A terminal's input is held open when a client detaches; a pipe's is closed with its last client (conmon's -i).
  if (options.terminal) args.push('-t')
  else if (options.stdin) args.push('-i')
  if (options.logSizeMaxBytes !== undefined) args.push('--log-size-max', String(options.logSizeMaxBytes))
  if (options.logTag !== undefined) args.push('--log-tag', options.logTag)
  if (options.timeoutSec > 0) args.push('--timeout', String(options.timeoutSec))
  if (!options.syncLog) args.push('--no-sync-log')
  if (options.noNewKeyring) args.push('--no-new-keyring')
  if (options.noPivot) args.push('--no-pivot')
  if (options.sdnotifySocket !== undefined) args.push('--sdnotify-socket', options.sdnotifySocket)
  const [command, ...rest] = options.exitCommand
  if (command !== undefined) {
    args.push('--exit-command', command)
    for (const argument of rest) args.push('--exit-command-arg', argument)
    if (options.exitDelaySec > 0) args.push('--exit-delay', String(options.exitDelaySec))
  }
  return args
}

/** json-file is written as k8s-file, as podman does. */
function logArgument(driver: string, path: string): string {
  if (driver === 'journald' || driver === 'none' || driver === 'passthrough') return driver
  return `k8s-file:${path}`
}
