/** Cuts a template into text and actions, and actions into tokens. */
import { TemplateError } from './template-error.ts'

export type TokenKind = 'field' | 'variable' | 'name' | 'number' | 'string' | 'dot' | 'symbol' | 'end'

export interface Token {
  kind: TokenKind
  /** Without the leading `.` of a field; strings and numbers as written. */
  text: string
  /** The value of strings and numbers. */
  value?: string | number
  hasSpaceBefore: boolean
  at: number
}

export type Piece = { kind: 'text'; text: string } | { kind: 'action'; tokens: Token[]; at: number }

const comment = /^\{\{(?:-[ \t\r\n])?\/\*/

/** Throws TemplateError (unclosed action, bad character, …). */
export function lexTemplate(source: string): Piece[] {
  const pieces: Piece[] = []
  let at = 0
  let trimNext = false
  while (at < source.length) {
    const open = source.indexOf('{{', at)
    const end = open < 0 ? source.length : open
    const isTrimmed = open >= 0 && /^\{\{-[ \t\r\n]/.test(source.slice(open, open + 4))
    let text = source.slice(at, end)
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, '')
    if (isTrimmed) text = text.replace(/[ \t\r\n]+$/, '')
    if (text !== '') pieces.push({ kind: 'text', text })
    if (open < 0) break
    if (comment.test(source.slice(open, open + 8))) {
      const close = /\*\/([ \t\r\n]-)?\}\}/g
      close.lastIndex = open
      const match = close.exec(source)
      if (match === null) throw new TemplateError('unclosed comment', open)
      at = close.lastIndex
      trimNext = match[1] !== undefined
      continue
    }
    const action = lexAction(source, open, open + (isTrimmed ? 3 : 2))
    pieces.push({ kind: 'action', tokens: action.tokens, at: open })
    at = action.end
    trimNext = action.trimsNext
  }
  return pieces
}

// Tried in this order at each position of an action. Every character beyond ASCII counts as a letter: \p{L} costs
// V8 most of a millisecond to compile and finds no more errors that matter.
const tokenPatterns: readonly [TokenKind, RegExp][] = [
  ['number', /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)/y],
  ['field', /\.[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y],
  ['dot', /\./y],
  ['variable', /\$[\w\u0080-\uffff]*/y],
  ['name', /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*/y],
  ['string', /"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]+|\\.[^']*)'/y],
  ['symbol', /:=|[=|(),]/y],
]

function lexAction(source: string, open: number, start: number): { tokens: Token[]; end: number; trimsNext: boolean } {
  const tokens: Token[] = []
  let at = start
  for (;;) {
    const blank = /[ \t\r\n]*/y
    blank.lastIndex = at
    const space = blank.exec(source)?.[0] ?? ''
    at += space.length
    if (space !== '' && source.startsWith('-}}', at)) return { tokens: finish(tokens, at), end: at + 3, trimsNext: true }
    if (source.startsWith('}}', at)) return { tokens: finish(tokens, at), end: at + 2, trimsNext: false }
    if (at >= source.length) throw new TemplateError('unclosed action', open)
    const token = lexToken(source, at)
    token.hasSpaceBefore = space !== ''
    tokens.push(token)
    at += token.kind === 'field' ? token.text.length + 1 : token.text.length
  }
}

function finish(tokens: Token[], at: number): Token[] {
  tokens.push({ kind: 'end', text: '', hasSpaceBefore: true, at })
  return tokens
}

function lexToken(source: string, at: number): Token {
  for (const [kind, pattern] of tokenPatterns) {
    pattern.lastIndex = at
    const text = pattern.exec(source)?.[0]
    if (text === undefined) continue
    const token: Token = { kind, text: kind === 'field' ? text.slice(1) : text, hasSpaceBefore: false, at }
    if (kind === 'number') token.value = parseNumber(source, text, at)
    if (kind === 'string') token.value = parseString(text, at)
    return token
  }
  const char = source.slice(at).match(/^./su)?.[0] ?? ''
  if (char === '"') throw new TemplateError('unterminated quoted string', at)
  if (char === '`') throw new TemplateError('unterminated raw quoted string', at)
  if (char === "'") throw new TemplateError('unterminated character constant', at)
  throw new TemplateError(`unexpected ${JSON.stringify(char)} in command`, at)
}

function parseNumber(source: string, text: string, at: number): number {
  const next = source.charAt(at + text.length)
  const sign = text.startsWith('-') ? -1 : 1
  const digits = text.replace(/^[+-]/, '').replaceAll('_', '')
  // A leading zero means octal, as in C.
  const value = /^0[0-7]+$/.test(digits) ? parseInt(digits, 8) : Number(digits)
  if (/\w/.test(next) || Number.isNaN(value)) throw new TemplateError(`bad number syntax: "${text}${next}"`, at)
  return value === 0 ? 0 : sign * value
}

const simpleEscapes: Readonly<Record<string, string>> = {
  a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\', '"': '"', "'": "'",
}

/** A character constant gives its code point, as in Go. */
function parseString(text: string, at: number): string | number {
  const inner = text.slice(1, -1)
  if (text.startsWith('`')) return inner
  const value = inner.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)/gsu, (_, escape: string) => {
    if (escape.length > 1) {
      const code = /^[0-7]/.test(escape) ? parseInt(escape, 8) : parseInt(escape.slice(1), 16)
      if (code > 0x10ffff) throw new TemplateError('invalid syntax in string', at)
      return String.fromCodePoint(code)
    }
    const plain = simpleEscapes[escape]
    if (plain === undefined) throw new TemplateError('invalid syntax in string', at)
    return plain
  })
  if (!text.startsWith("'")) return value
  if ([...value].length !== 1) throw new TemplateError(`malformed character constant: ${text}`, at)
  return value.codePointAt(0) ?? 0
}
