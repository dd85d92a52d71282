import { TpodError } from '../../errors/tpod-error.ts'

/** What is wrong and where; becomes a TpodError with name and line once those are known. */
export class TemplateError extends Error {
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

function position(source: string, at: number): { line: number; column: number } {
  const before = source.slice(0, at)
  return { line: before.split('\n').length, column: at - (before.lastIndexOf('\n') + 1) }
}

/** `template: NAME:LINE: what` as text/template words it. */
export function syntaxError(name: string, source: string, error: TemplateError): TpodError {
  const message = `template: ${name}:${position(source, error.at).line}: ${error.message}`
  return new TpodError('TEMPLATE_INVALID', message, { cause: error })
}

/** `template: NAME:LINE:COLUMN: executing "NAME" at <CONTEXT>: what`. */
export function executionError(name: string, source: string, at: number, context: string, what: string): TpodError {
  const { line, column } = position(source, at)
  const shown = context.length > 40 ? `${context.slice(0, 40)}...` : context
  return new TpodError('TEMPLATE_FAILED', `template: ${name}:${line}:${column}: executing "${name}" at <${shown}>: ${what}`)
}
