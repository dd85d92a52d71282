/** Go's text/template with the functions of podman and docker: what `--format` takes. */
import type { Template } from './ast.ts'
import { builtinFunctions } from './builtins.ts'
import type { TemplateFunction } from './builtins.ts'
import { Evaluator } from './evaluate.ts'
import { parseTemplate } from './parser.ts'

export interface TemplateOptions {
  /** In messages: `template: ps:1:2: …`. */
  name?: string
  /** Beside the built-in ones, which they may replace. An exception becomes `error calling NAME: …`. */
  functions?: Readonly<Record<string, TemplateFunction>>
  /** What messages call the data ("can't evaluate field X in type Y"). */
  typeName?: string
}

export interface CompiledTemplate {
  readonly ast: Template
  /** Throws TEMPLATE_FAILED. May be called for many objects. */
  render(data: unknown): string
}

/** Parses once what is rendered for each object of a list. Throws TEMPLATE_INVALID, one line, worded as Go does. */
export function compileTemplate(source: string, options: TemplateOptions = {}): CompiledTemplate {
  const functions: Record<string, TemplateFunction> = Object.assign(Object.create(null), builtinFunctions, options.functions)
  const ast = parseTemplate(source, options.name ?? 'format', (name) => name in functions)
  return { ast, render: (data) => new Evaluator(ast, functions, data, options.typeName ?? 'object').run() }
}

/**
 * Renders `data` once. Objects are Go structs (an unknown field is an error) or maps (it is `<no value>`), see
 * isGoMap; functions in them are methods, called with the template's arguments.
 */
export function renderTemplate(source: string, data: unknown, options: TemplateOptions = {}): string {
  return compileTemplate(source, options).render(data)
}

/** `\t` and `\n` as typed on a command line, outside of actions (inside, strings have escapes of their own). */
export function unescapeFormat(format: string): string {
  return format
    .split(/(\{\{.*?\}\})/s)
    .map((part) => (part.startsWith('{{') ? part : part.replaceAll('\\t', '\t').replaceAll('\\n', '\n')))
    .join('')
}
