/** Parses Go's text/template language into the tree of ast.ts. */
import type { Command, Node, Operand, Pipe, Template } from './ast.ts'
import { lexTemplate } from './lexer.ts'
import type { Piece, Token } from './lexer.ts'
import { TemplateError, syntaxError } from './template-error.ts'

const MAX_DEPTH = 500

/** `isFunction` tells which names may be called. Throws TEMPLATE_INVALID, worded as Go words it. */
export function parseTemplate(source: string, name: string, isFunction: (name: string) => boolean): Template {
  try {
    const parser = new Parser(lexTemplate(source), isFunction)
    return { name, source, root: parser.parseRoot(), definitions: parser.definitions }
  } catch (error) {
    throw error instanceof TemplateError ? syntaxError(name, source, error) : error
  }
}

interface Block {
  body: Node[]
  /** The tokens of the `else` or `end` that closed it. */
  closing: Token[]
}

class Parser {
  readonly definitions = new Map<string, Node[]>()
  readonly #pieces: Piece[]
  readonly #isFunction: (name: string) => boolean
  #next = 0
  #tokens: Token[] = []
  #token = 0
  #rangeDepth = 0
  #depth = 0
  #variables = ['$']

  constructor(pieces: Piece[], isFunction: (name: string) => boolean) {
    this.#pieces = pieces
    this.#isFunction = isFunction
  }

  parseRoot(): Node[] {
    const nodes: Node[] = []
    for (;;) {
      const piece = this.#pieces[this.#next++]
      if (piece === undefined) return nodes
      if (piece.kind === 'text') {
        nodes.push(piece)
        continue
      }
      const keyword = piece.tokens[0]?.text
      if (piece.tokens[0]?.kind === 'name' && (keyword === 'end' || keyword === 'else')) {
        throw new TemplateError(`unexpected {{${keyword}}}`, piece.at)
      }
      if (piece.tokens[0]?.kind === 'name' && keyword === 'define') this.#parseDefine(piece.tokens)
      else this.#pushAction(nodes, piece.tokens)
    }
  }

  /** Up to the matching else or end. Variables declared inside end with it. */
  #parseBlock(what: string, at: number): Block {
    const body: Node[] = []
    const scope = this.#variables.length
    if (++this.#depth > MAX_DEPTH) throw new TemplateError('nested too deeply', at)
    for (;;) {
      const piece = this.#pieces[this.#next++]
      if (piece === undefined) throw new TemplateError(`unexpected EOF in ${what}`, at)
      if (piece.kind === 'text') {
        body.push(piece)
        continue
      }
      const first = piece.tokens[0]
      if (first?.kind === 'name' && (first.text === 'end' || first.text === 'else')) {
        if (first.text === 'end' && piece.tokens[1]?.kind !== 'end') throw this.#unexpected(piece.tokens[1] ?? first, 'end')
        this.#variables.length = scope
        this.#depth--
        return { body, closing: piece.tokens }
      }
      this.#pushAction(body, piece.tokens)
    }
  }

  #pushAction(nodes: Node[], tokens: Token[]): void {
    this.#tokens = tokens
    this.#token = 0
    const first = this.#peek()
    if (first.kind === 'name') {
      const parsed = this.#parseKeyword(first)
      if (parsed !== undefined) {
        nodes.push(parsed)
        return
      }
    }
    const pipe = this.#parsePipe('command')
    this.#expectEnd('command')
    nodes.push({ kind: 'action', pipe })
  }

  #parseKeyword(first: Token): Node | undefined {
    switch (first.text) {
      case 'if':
      case 'with':
      case 'range':
        this.#token++
        return this.#parseControl(first.text, first.at)
      case 'break':
      case 'continue':
        if (this.#isFunction(first.text)) return undefined
        this.#token++
        if (this.#rangeDepth === 0) throw new TemplateError(`{{${first.text}}} outside {{range}}`, first.at)
        this.#expectEnd(first.text)
        return { kind: first.text }
      case 'template':
        this.#token++
        return this.#parseTemplateCall(first.at)
      case 'block':
        this.#token++
        return this.#parseBlockDefinition(first.at)
      case 'define':
        throw new TemplateError('unexpected {{define}}', first.at)
      default:
        return undefined
    }
  }

  #parseControl(kind: 'if' | 'with' | 'range', at: number): Node {
    const scope = this.#variables.length
    const pipe = this.#parsePipe(kind)
    this.#expectEnd(kind)
    if (kind === 'range') this.#rangeDepth++
    const { body, closing } = this.#parseBlock(kind, at)
    if (kind === 'range') this.#rangeDepth--
    const otherwise = closing[0]?.text === 'else' ? this.#parseElse(kind, closing, at) : []
    this.#variables.length = scope
    return { kind, pipe, body, otherwise, at }
  }

  #parseElse(kind: string, closing: Token[], at: number): Node[] {
    const next = closing[1]
    if (next?.kind === 'name' && next.text === kind && kind !== 'range') {
      // {{else if}} is an if inside the else, closed by the same end.
      if (++this.#depth > MAX_DEPTH) throw new TemplateError('nested too deeply', at)
      this.#tokens = closing
      this.#token = 2
      const node = this.#parseControl(next.text as 'if' | 'with', next.at)
      this.#depth--
      return [node]
    }
    if (next?.kind !== 'end') throw this.#unexpected(next ?? { text: '', at }, 'else')
    const otherwise = this.#parseBlock(kind, at)
    if (otherwise.closing[0]?.text === 'else') throw new TemplateError('expected end; found {{else}}', otherwise.closing[0].at)
    return otherwise.body
  }

  #parseName(what: string): string {
    const token = this.#peek()
    if (token.kind !== 'string' || typeof token.value !== 'string') throw this.#unexpected(token, what)
    this.#token++
    return token.value
  }

  #parseTemplateCall(at: number): Node {
    const name = this.#parseName('template clause')
    const pipe = this.#peek().kind === 'end' ? undefined : this.#parsePipe('template clause')
    this.#expectEnd('template clause')
    return { kind: 'template', name, pipe, at }
  }

  #parseBlockDefinition(at: number): Node {
    const name = this.#parseName('block clause')
    const pipe = this.#parsePipe('block clause')
    this.#expectEnd('block clause')
    this.#parseDefinitionBody(name, 'block clause', at)
    return { kind: 'template', name, pipe, at }
  }

  #parseDefine(tokens: Token[]): void {
    this.#tokens = tokens
    this.#token = 1
    const name = this.#parseName('define clause')
    this.#expectEnd('define clause')
    this.#parseDefinitionBody(name, 'define clause', tokens[0]?.at ?? 0)
  }

  #parseDefinitionBody(name: string, what: string, at: number): void {
    const variables = this.#variables
    const rangeDepth = this.#rangeDepth
    this.#variables = ['$']
    this.#rangeDepth = 0
    const { body, closing } = this.#parseBlock(what, at)
    if (closing[0]?.text === 'else') throw new TemplateError(`unexpected {{else}} in ${what}`, closing[0].at)
    this.#variables = variables
    this.#rangeDepth = rangeDepth
    this.definitions.set(name, body)
  }

  #parsePipe(what: string): Pipe {
    const at = this.#peek().at
    const declaration = this.#parseDeclaration(what)
    const commands = [this.#parseCommand(what)]
    while (this.#isSymbol('|')) {
      this.#token++
      commands.push(this.#parseCommand(what))
    }
    for (const command of commands.slice(1)) {
      const first = command.operands[0]
      if (first?.kind === 'literal' || first?.kind === 'dot' || first?.kind === 'nil') {
        throw new TemplateError(`non executable command in pipeline stage ${commands.indexOf(command) + 1}`, first.at)
      }
    }
    // A variable is known from its own declaration's end on.
    if (!declaration.isAssignment) this.#variables.push(...declaration.variables)
    return { ...declaration, commands, at }
  }

  #parseDeclaration(what: string): { variables: string[]; isAssignment: boolean } {
    const start = this.#token
    const variables: string[] = []
    while (this.#peek().kind === 'variable') {
      variables.push(this.#peek().text)
      this.#token++
      if (this.#isSymbol(':=') || this.#isSymbol('=')) {
        const isAssignment = this.#isSymbol('=')
        if (isAssignment) for (const name of variables) this.#checkVariable(name, this.#peek().at)
        this.#token++
        return { variables, isAssignment }
      }
      if (!this.#isSymbol(',') || what !== 'range' || variables.length > 1) break
      this.#token++
    }
    this.#token = start
    return { variables: [], isAssignment: false }
  }

  #parseCommand(what: string): Command {
    const at = this.#peek().at
    const operands: Operand[] = []
    for (;;) {
      const token = this.#peek()
      if (operands.length > 0 && !token.hasSpaceBefore && !this.#isSymbol('|') && !this.#isSymbol(')') && token.kind !== 'end') {
        throw this.#unexpected(token, 'operand')
      }
      const operand = this.#parseOperand()
      if (operand === undefined) break
      operands.push(operand)
    }
    const first = operands[0]
    if (first === undefined) {
      if (this.#peek().kind === 'end' || this.#isSymbol(')')) throw new TemplateError(`missing value for ${what}`, at)
      throw this.#unexpected(this.#peek(), what)
    }
    return { operands, at }
  }

  #parseOperand(): Operand | undefined {
    const token = this.#peek()
    const at = token.at
    switch (token.kind) {
      case 'number':
      case 'string':
        this.#token++
        return { kind: 'literal', value: token.value ?? '', at }
      case 'dot':
        this.#token++
        return { kind: 'dot', at }
      case 'field':
        return { kind: 'field', names: this.#parseFields(true), at }
      case 'variable':
        this.#checkVariable(token.text, at)
        this.#token++
        return { kind: 'variable', name: token.text, names: this.#parseFields(false), at }
      case 'name':
        this.#token++
        return this.#parseWord(token)
      case 'symbol':
        return token.text === '(' ? this.#parseParentheses(at) : undefined
      default:
        return undefined
    }
  }

  #parseWord(token: Token): Operand {
    if (token.text === 'true' || token.text === 'false') return { kind: 'literal', value: token.text === 'true', at: token.at }
    if (token.text === 'nil') return { kind: 'nil', at: token.at }
    if (!this.#isFunction(token.text)) throw new TemplateError(`function "${token.text}" not defined`, token.at)
    return { kind: 'function', name: token.text, at: token.at }
  }

  #parseParentheses(at: number): Operand {
    if (++this.#depth > MAX_DEPTH) throw new TemplateError('nested too deeply', at)
    this.#token++
    const pipe = this.#parsePipe('parenthesized pipeline')
    if (!this.#isSymbol(')')) throw new TemplateError('unclosed left paren', at)
    this.#token++
    this.#depth--
    return { kind: 'pipe', pipe, names: this.#parseFields(false), at }
  }

  /** Fields written without a blank between them. */
  #parseFields(isFirstFree: boolean): string[] {
    const names: string[] = []
    for (;;) {
      const token = this.#peek()
      const mayFollow = !token.hasSpaceBefore || (isFirstFree && names.length === 0)
      if (token.kind !== 'field' || !mayFollow) return names
      names.push(token.text)
      this.#token++
    }
  }

  #checkVariable(name: string, at: number): void {
    if (!this.#variables.includes(name)) throw new TemplateError(`undefined variable "${name}"`, at)
  }

  #peek(): Token {
    return this.#tokens[this.#token] ?? { kind: 'end', text: '', hasSpaceBefore: true, at: 0 }
  }

  #isSymbol(text: string): boolean {
    const token = this.#peek()
    return token.kind === 'symbol' && token.text === text
  }

  #expectEnd(what: string): void {
    const token = this.#peek()
    if (token.kind !== 'end') throw this.#unexpected(token, what)
  }

  #unexpected(token: Pick<Token, 'text' | 'at'>, what: string): TemplateError {
    return new TemplateError(`unexpected ${token.text === '' ? '"}}"' : JSON.stringify(token.text)} in ${what}`, token.at)
  }
}
