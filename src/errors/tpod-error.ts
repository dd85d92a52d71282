/**
 * The one error class of the library. `code` is stable and documented (docs/errors.md); the message says
 * action, object and value ("pull docker.io/library/x: ..."); `remedy` is what the user can do about it.
 * A plain `Error` that reaches the command line is a defect of ours.
 */
export interface TpodErrorOptions {
  /** What the user can do: a command or a setting, one line. */
  remedy?: string
  cause?: unknown
  /** Process exit status when this error ends a command; 125 where absent. */
  exitCode?: number
}

export class TpodError extends Error {
  readonly code: string
  readonly remedy: string | undefined
  readonly exitCode: number | undefined

  constructor(code: string, message: string, options: TpodErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'TpodError'
    this.code = code
    this.remedy = options.remedy
    this.exitCode = options.exitCode
  }
}

/** The `code` of a TpodError or of a system error ('ENOENT', ...); undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}

/** One line of text for any thrown value. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Throws the abort reason of `signal`, if it was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason
}
