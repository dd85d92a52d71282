/** How an error ends a command: one line, the remedy below it, and podman's exit status. */
import { ExitCode } from '../errors/exit-codes.ts'
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
import { writeError } from './output.ts'
import { remedyByCode } from './remedies.ts'
import { logrusLine } from './skopeo/logrus.ts'

export interface ErrorContext {
  /** `tpod run`: for the hint under usage errors. */
  commandLine: string
  debug: boolean
  /** The name it was called by: for any other than tpod hints are left out. */
  program?: string
}

/** A message may quote an image or a registry: their control characters must not reach the terminal. */
function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim().replace(/\p{Cc}/gu, '?')
}

/** Writes `error` to standard error and returns the exit status. A plain Error is a defect of ours and says so. */
export function reportError(error: unknown, context: ErrorContext): number {
  if (context.program === 'skopeo') return reportAsSkopeo(error, context.debug)
  if (error instanceof TpodError) {
    const lines = [`Error: ${oneLine(asCalled(error, context))}`]
    if (error.code === 'UNKNOWN_COMMAND' && (context.program ?? 'tpod') !== 'tpod') lines.push(`Try '${parentCommand(error, context)} --help' for more information`)
    if (error.code === 'USAGE') lines.push(`See '${context.commandLine} --help'`)
    const remedy = error.remedy ?? remedyByCode[error.code]
    if (remedy && (context.program ?? 'tpod') === 'tpod') lines.push(`Hint: ${oneLine(remedy)}`)
    if (context.debug) lines.push(stackOf(error))
    writeError(lines.join('\n') + '\n')
    return exitStatus(error, context)
  }
  const system = isSystemError(error)
  const lines = [`Error: ${oneLine(errorMessage(error))}`]
  if (!system) lines.push('This is a defect of tpod: please report it, with the output of the same command under --log-level=debug.')
  if (context.debug) lines.push(stackOf(error))
  writeError(lines.join('\n') + '\n')
  return exitStatus(undefined, context)
}

/** Only docker's run has podman's 125 for a failure of its own; its other commands end with 1. */
function exitStatus(error: TpodError | undefined, { program, commandLine }: ErrorContext): number {
  const status = error?.exitCode ?? ExitCode.engineFailure
  return program === 'docker' && status === ExitCode.engineFailure && !/^docker (?:container )?run$/.test(commandLine) ? 1 : status
}

/** The program's name of the moment in an error that quotes the command line. */
function asCalled(error: TpodError, { program }: ErrorContext): string {
  return error.code === 'UNKNOWN_COMMAND' ? error.message.replace('`tpod ', `\`${program ?? 'tpod'} `) : error.message
}

/** `podman image` of an unknown `podman image bogus`. */
function parentCommand(error: TpodError, context: ErrorContext): string {
  return (/`(.*) \S+`$/.exec(asCalled(error, context))?.[1] ?? context.program) as string
}

/** skopeo's own status is 1, whatever went wrong; an interrupted one says by which signal. */
function reportAsSkopeo(error: unknown, debug: boolean): number {
  const text = oneLine(errorMessage(error)).replace(/^unrecognized command `tpod /, 'Unrecognized command `skopeo ')
  writeError(logrusLine('fatal', text) + (debug ? `${stackOf(error)}\n` : ''))
  return error instanceof TpodError && error.code === 'INTERRUPTED' ? error.exitCode ?? 1 : 1
}

/** An error of a system call explains itself: EACCES, ENOSPC … */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

function stackOf(error: unknown): string {
  const lines: string[] = []
  let at: unknown = error
  for (let depth = 0; at instanceof Error && depth < 5; depth++, at = at.cause) {
    lines.push(`${depth > 0 ? 'caused by ' : ''}${at.stack ?? at.message}`)
  }
  return lines.join('\n').replace(/[^\P{Cc}\n\t]/gu, '?')
}
