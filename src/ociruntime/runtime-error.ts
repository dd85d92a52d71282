/** Turns what crun or runc says when it cannot create, start or exec into an error with podman's exit status. */
import { ExitCode } from '../errors/exit-codes.ts'
import { TpodError } from '../errors/tpod-error.ts'

/**
 * `action` names what was tried ("start container web"); `message` is the runtime's standard error; `command` the program that
 * was to run: crun's message about it does not always name it.
 */
export function runtimeError(action: string, runtimeName: string, message: string, command?: string): TpodError {
  const cleaned = cleanMessage(message)
  const isUnnamed = command !== undefined && /open executable/i.test(cleaned) && !cleaned.includes(command)
  const reason = isUnnamed ? cleaned.replace(/open executable/i, (words) => `${words} ${JSON.stringify(command)}`) : cleaned
  const text = `${action}: ${runtimeName.replace(/^.*\//, '')}: ${reason === '' ? 'failed without saying why' : reason}`
  // In this order: crun says "open executable: Operation not permitted" of a directory.
  if (/permission denied|operation not permitted|exec format error|is a directory/i.test(cleaned)) {
    return new TpodError('COMMAND_CANNOT_RUN', `${text}: OCI permission denied`, { exitCode: ExitCode.cannotInvoke })
  }
  if (/executable file .*not found|no such file or directory|open executable/i.test(cleaned)) {
    return new TpodError('COMMAND_NOT_FOUND', text, { exitCode: ExitCode.commandNotFound })
  }
  return new TpodError('RUNTIME_FAILED', text, { exitCode: runtimeFailureCode(cleaned) })
}

/** runc says `exec: "x": stat …: not a directory` and the like of a bad command; podman gives 126 for them. */
function runtimeFailureCode(reason: string): number {
  return /(^|: )exec:? "/.test(reason) ? ExitCode.cannotInvoke : ExitCode.engineFailure
}

/** One line: the `msg` of log records (either format), without repeats, times or levels. */
export function cleanMessage(message: string): string {
  const lines: string[] = []
  for (const raw of message.split('\n')) {
    const line = unwrapLogLine(raw.trim())
    if (line !== '' && !lines.includes(line)) lines.push(line)
  }
  return lines.join('; ')
}

function unwrapLogLine(line: string): string {
  if (line.startsWith('{')) {
    try {
      const record = JSON.parse(line) as { msg?: unknown }
      if (typeof record.msg === 'string') return record.msg.trim()
    } catch {
      return line
    }
  }
  // logrus text: time="…" level=error msg="…"
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1]
  if (quoted !== undefined) return JSON.parse(quoted) as string
  // crun on a terminal: 2026-01-01T00:00:00.000000Z: text
  return line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z?:? /, '').replace(/^(\[conmon[^\]]*\]: )?/, '')
}
