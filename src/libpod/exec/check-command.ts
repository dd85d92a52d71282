/** Looks for an exec session's command before the runtime does: its own complaint would come without our prefix, between the command's output. */
import { posix } from 'node:path'
import type { Stats } from 'node:fs'
import { ExitCode } from '../../errors/exit-codes.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import { statInRoot } from '../../host/fs/in-root.ts'
import type { ProcessSpec } from '../../oci/runtime-types.ts'

/**
 * Throws COMMAND_NOT_FOUND (127) or COMMAND_CANNOT_RUN (126). What only execve can tell (a missing interpreter, a changed file)
 * stays with the runtime.
 */
export function checkCommand(action: string, rootPid: number, spec: ProcessSpec): void {
  const [command = ''] = spec.args
  const root = `/proc/${rootPid}/root`
  const candidates = command.includes('/') ? [posix.resolve(spec.cwd, command)] : searchPath(spec).map((directory) => posix.resolve(spec.cwd, directory, command))
  const found = candidates.map((path) => statOrUnknown(root, path))
  if (found.some((stats) => stats === 'unknown' || (stats !== undefined && isProgram(stats)))) return
  if (command.includes('/') && found[0] !== undefined) {
    throw new TpodError('COMMAND_CANNOT_RUN', `${action}: open executable ${JSON.stringify(command)}: Permission denied: OCI permission denied`, { exitCode: ExitCode.cannotInvoke })
  }
  throw new TpodError('COMMAND_NOT_FOUND', `${action}: executable file \`${command}\` not found${command.includes('/') ? '' : ' in $PATH'}: No such file or directory: OCI runtime attempted to invoke a command that was not found`, {
    exitCode: ExitCode.commandNotFound,
  })
}

/** The runtimes' own default where the container has no PATH. */
function searchPath(spec: ProcessSpec): string[] {
  const entry = spec.env.find((one) => one.startsWith('PATH='))
  return (entry?.slice('PATH='.length) ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin').split(':')
}

function isProgram(stats: Stats): boolean {
  return stats.isFile() && (stats.mode & 0o111) !== 0
}

/** A path that cannot be looked at (loops, other users' mounts) is the runtime's to judge. */
function statOrUnknown(root: string, path: string): Stats | undefined | 'unknown' {
  try {
    return statInRoot(root, path)
  } catch {
    return 'unknown'
  }
}
