/** Go's text/template with the functions of podman and docker: what `--format` takes. */
import type { Command, Node, Pipe, Template } from './ast.ts'
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

/** The first names of all fields that a template mentions (`ID` and `State` of `{{.ID}} {{.State.Pid}}`), each once, in order. */
export function templateFields(ast: Template): string[] {
  const fields = new Set<string>()
  const visitCommand = (command: Command): void => {
    for (const operand of command.operands) {
      if (operand.kind === 'field' || operand.kind === 'variable') {
        const name = operand.names[0]
        if (name !== undefined) fields.add(name)
      } else if (operand.kind === 'pipe') {
        visitPipe(operand.pipe)
      }
    }
  }
  const visitPipe = (pipe: Pipe): void => pipe.commands.forEach(visitCommand)
  const visitNode = (node: Node): void => {
    if ('pipe' in node && node.pipe !== undefined) visitPipe(node.pipe)
    if ('body' in node) [...node.body, ...node.otherwise].forEach(visitNode)
  }
  ast.root.forEach(visitNode)
  for (const body of ast.definitions.values()) body.forEach(visitNode)
  return [...fields]
}
