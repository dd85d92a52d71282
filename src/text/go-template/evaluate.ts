/** Executes a template's tree over data. */
import { TpodError, errorMessage } from '../../errors/tpod-error.ts'
import type { Command, Node, Operand, Pipe, Template } from './ast.ts'
import { builtinArity } from './builtins.ts'
import type { TemplateFunction } from './builtins.ts'
import { executionError } from './template-error.ts'
import { formatValue, isTrue, kindOf, mapEntries, typeName } from './values.ts'

const MAX_CALL_DEPTH = 1000

interface Variable {
  name: string
  value: unknown
}

/** What is known at one point of the execution. `variables` grows and shrinks with blocks. */
interface Scope {
  dot: unknown
  variables: Variable[]
  depth: number
}

type Flow = 'next' | 'break' | 'continue'

export class Evaluator {
  readonly #template: Template
  readonly #functions: Readonly<Record<string, TemplateFunction>>
  readonly #rootType: string
  readonly #root: unknown
  readonly #output: string[] = []

  constructor(template: Template, functions: Readonly<Record<string, TemplateFunction>>, root: unknown, rootType: string) {
    this.#template = template
    this.#functions = functions
    this.#root = root
    this.#rootType = rootType
  }

  run(): string {
    this.#walkAll(this.#template.root, { dot: this.#root, variables: [{ name: '$', value: this.#root }], depth: 0 })
    return this.#output.join('')
  }

  #walkAll(nodes: readonly Node[], scope: Scope): Flow {
    const mark = scope.variables.length
    try {
      for (const node of nodes) {
        const flow = this.#walk(node, scope)
        if (flow !== 'next') return flow
      }
      return 'next'
    } finally {
      // The root's own variables live until the end anyway.
      scope.variables.length = mark
    }
  }

  #walk(node: Node, scope: Scope): Flow {
    switch (node.kind) {
      case 'text':
        this.#output.push(node.text)
        return 'next'
      case 'action': {
        const value = this.#pipe(node.pipe, scope)
        if (node.pipe.variables.length === 0) this.#output.push(this.#print(value, node.pipe))
        return 'next'
      }
      case 'if':
      case 'with':
        return this.#walkCondition(node, scope)
      case 'range':
        return this.#walkRange(node, scope)
      case 'template':
        this.#walkTemplate(node, scope)
        return 'next'
      default:
        return node.kind
    }
  }

  #print(value: unknown, pipe: Pipe): string {
    if (value === undefined) return '<no value>'
    if (typeof value === 'function') throw this.#failure(pipe, `can't print ${this.#shown(pipe)} of type func`)
    return formatValue(value)
  }

  #walkCondition(node: Extract<Node, { kind: 'if' | 'with' }>, scope: Scope): Flow {
    const mark = scope.variables.length
    const value = this.#pipe(node.pipe, scope)
    const isChosen = isTrue(value)
    const inner = isChosen && node.kind === 'with' ? { ...scope, dot: value } : scope
    const flow = this.#walkAll(isChosen ? node.body : node.otherwise, inner)
    scope.variables.length = mark
    return flow
  }

  #walkRange(node: Extract<Node, { kind: 'range' }>, scope: Scope): Flow {
    const mark = scope.variables.length
    const value = this.#pipe(node.pipe, scope, true)
    const [first, second] = node.pipe.variables
    let count = 0
    for (const [key, entry] of this.#rangeEntries(value, node.pipe)) {
      count++
      if (second !== undefined) {
        this.#bind(node.pipe, first ?? '', key, scope)
        this.#bind(node.pipe, second, entry, scope)
      } else if (first !== undefined) {
        this.#bind(node.pipe, first, entry, scope)
      }
      const flow = this.#walkAll(node.body, { ...scope, dot: entry })
      scope.variables.length = mark
      if (flow === 'break') break
    }
    return count === 0 ? this.#walkAll(node.otherwise, scope) : 'next'
  }

  *#rangeEntries(value: unknown, pipe: Pipe): Generator<[unknown, unknown]> {
    const kind = kindOf(value)
    if (kind === 'nil') return
    if (kind === 'slice') yield* (value as unknown[]).entries()
    else if (kind === 'map') yield* mapEntries(value as object)
    else if (kind === 'number' && Number.isInteger(value)) for (let at = 0; at < (value as number); at++) yield [at, at]
    else throw this.#failure(pipe, `range can't iterate over ${formatValue(value)}`)
  }

  #walkTemplate(node: Extract<Node, { kind: 'template' }>, scope: Scope): void {
    const body = this.#template.definitions.get(node.name)
    if (body === undefined) throw this.#failure(node, `template "${node.name}" not defined`)
    if (scope.depth >= MAX_CALL_DEPTH) throw this.#failure(node, `exceeded maximum template depth (${MAX_CALL_DEPTH})`)
    const dot = node.pipe === undefined ? undefined : this.#pipe(node.pipe, scope)
    this.#walkAll(body, { dot, variables: [{ name: '$', value: dot }], depth: scope.depth + 1 })
  }

  #bind(pipe: Pipe, name: string, value: unknown, scope: Scope): void {
    const existing = pipe.isAssignment ? scope.variables.findLast((variable) => variable.name === name) : undefined
    if (existing === undefined) scope.variables.push({ name, value })
    else existing.value = value
  }

  /** The value of a pipeline. The variables of a range are bound by the range, once a round. */
  #pipe(pipe: Pipe, scope: Scope, isRange = false): unknown {
    let value: unknown
    for (const [index, command] of pipe.commands.entries()) {
      value = this.#command(command, scope, index === 0 ? undefined : { value })
    }
    if (!isRange) for (const name of pipe.variables) this.#bind(pipe, name, value, scope)
    return value
  }

  #command(command: Command, scope: Scope, final: { value: unknown } | undefined): unknown {
    const [first, ...rest] = command.operands as [Operand, ...Operand[]]
    const hasArguments = rest.length > 0 || final !== undefined
    switch (first.kind) {
      case 'function':
        return this.#callFunction(first, rest, scope, final)
      case 'field':
        return this.#fields(scope.dot, first.names, first, () => this.#arguments(rest, scope, final), hasArguments)
      case 'variable':
        return this.#fields(this.#variable(first.name, scope), first.names, first, () => this.#arguments(rest, scope, final), hasArguments)
      case 'pipe':
        return this.#fields(this.#pipe(first.pipe, scope), first.names, first, () => this.#arguments(rest, scope, final), hasArguments)
      case 'nil':
        throw this.#failure(first, 'nil is not a command')
      default:
        if (hasArguments) throw this.#failure(first, `can't give argument to non-function ${this.#shown(first)}`)
        return first.kind === 'dot' ? scope.dot : first.value
    }
  }

  #arguments(operands: readonly Operand[], scope: Scope, final: { value: unknown } | undefined): unknown[] {
    const values = operands.map((operand) => this.#argument(operand, scope))
    return final === undefined ? values : [...values, final.value]
  }

  #argument(operand: Operand, scope: Scope): unknown {
    if (operand.kind === 'nil') return null
    return this.#command({ operands: [operand], at: operand.at }, scope, undefined)
  }

  #callFunction(node: Extract<Operand, { kind: 'function' }>, rest: readonly Operand[], scope: Scope, final: { value: unknown } | undefined): unknown {
    const called = this.#functions[node.name]
    if (called === undefined) throw this.#failure(node, `"${node.name}" is not a defined function`)
    if (node.name === 'and' || node.name === 'or') return this.#shortCircuit(node, rest, scope, final)
    const values = node.name === 'call' ? this.#callArguments(rest, scope, final) : this.#arguments(rest, scope, final)
    const wanted = builtinArity[node.name]
    if (wanted !== undefined && values.length !== wanted) {
      throw this.#failure(node, `wrong number of args for ${node.name}: want ${wanted} got ${values.length}`)
    }
    return this.#call(node, node.name, () => called(...values))
  }

  /** `call .Method 1`: the function itself is the first argument, not its result. */
  #callArguments(operands: readonly Operand[], scope: Scope, final: { value: unknown } | undefined): unknown[] {
    const [first, ...rest] = operands
    if (first?.kind !== 'field' || first.names.length === 0) return this.#arguments(operands, scope, final)
    const owner = this.#fields(scope.dot, first.names.slice(0, -1), first, () => [], false)
    const member = this.#field(owner, first.names.at(-1) ?? '', first, first.names.slice(0, -1))
    const called = typeof member === 'function' ? (...args: unknown[]) => (member as TemplateFunction).apply(owner, args) : member
    return [called, ...this.#arguments(rest, scope, final)]
  }

  /** Operands after the deciding one are not evaluated. */
  #shortCircuit(node: Extract<Operand, { kind: 'function' }>, rest: readonly Operand[], scope: Scope, final: { value: unknown } | undefined): unknown {
    if (rest.length === 0 && final === undefined) throw this.#failure(node, `wrong number of args for ${node.name}: want at least 1 got 0`)
    let value: unknown
    for (const operand of rest) {
      value = this.#argument(operand, scope)
      if (isTrue(value) === (node.name === 'or')) return value
    }
    return final === undefined ? value : final.value
  }

  #call(node: Operand, name: string, run: () => unknown): unknown {
    try {
      return run()
    } catch (error) {
      if (error instanceof TpodError) throw error
      throw this.#failure(node, `error calling ${name}: ${errorMessage(error)}`)
    }
  }

  #variable(name: string, scope: Scope): unknown {
    return scope.variables.findLast((variable) => variable.name === name)?.value
  }

  /** Follows `.A.B`; only the last one takes arguments (it is a method then). */
  #fields(start: unknown, names: readonly string[], node: Operand, args: () => unknown[], hasArguments: boolean): unknown {
    if (names.length === 0) {
      if (hasArguments) throw this.#failure(node, `can't give argument to non-function ${this.#shown(node)}`)
      return start
    }
    let value = start
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1
      const owner = value
      value = this.#field(owner, name, node, names.slice(0, index))
      if (typeof value === 'function') {
        const method = value as TemplateFunction
        const values = isLast ? args() : []
        value = this.#call(node, name, () => method.apply(owner, values))
      } else if (isLast && hasArguments) {
        throw this.#failure(node, `${name} is not a method but has arguments`)
      }
    }
    return value
  }

  #field(owner: unknown, name: string, node: Operand, path: readonly string[]): unknown {
    const kind = kindOf(owner)
    if (kind === 'nil') {
      // A field of "no value" again has none in a map; of a nil pointer it is an error in Go too.
      if (owner === undefined && path.length > 0) return undefined
      throw this.#failure(node, `nil ${path.length === 0 ? 'data' : 'pointer'} evaluating ${path.at(-1) ?? 'interface {}'}.${name}`)
    }
    if (kind === 'map') {
      if (owner instanceof Map) return (owner.get(name) as unknown) ?? undefined
      return (Object.hasOwn(owner as object, name) ? (owner as Record<string, unknown>)[name] : undefined) ?? undefined
    }
    if (kind === 'struct' && hasMember(owner as object, name)) return (owner as Record<string, unknown>)[name] ?? null
    const type = owner === this.#root ? this.#rootType : kind === 'struct' ? (path.at(-1) ?? typeName(owner)) : typeName(owner)
    throw this.#failure(node, `can't evaluate field ${name} in type ${type}`)
  }

  /** The source text that a node was made of. */
  #shown(node: { at: number }): string {
    return /^[^\s|)}]+/.exec(this.#template.source.slice(node.at))?.[0] ?? '.'
  }

  #failure(node: { at: number }, what: string): TpodError {
    return executionError(this.#template.name, this.#template.source, node.at, this.#shown(node), what)
  }
}

/** Own properties, and the methods and getters of a class; nothing that every JavaScript object has. */
function hasMember(owner: object, name: string): boolean {
  for (let at: object | null = owner; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
    if (Object.hasOwn(at, name)) return name !== 'constructor'
  }
  return false
}
