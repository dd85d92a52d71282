/**
 * Splits a command's argv by the rules of pflag, which podman and docker users know, against oclif's definitions.
 * It replaces oclif's parser, whose habits cannot be configured away: it parses flags after the image, regroups
 * repeated words, refuses a repeated single flag, has no `--flag=false`, and reads missing arguments from stdin.
 */
import type { FlagInput } from '@oclif/core/interfaces'
import { TpodError } from '../errors/tpod-error.ts'

type Definition = FlagInput[string]
export type FlagValue = string | number | boolean | string[] | undefined

export interface SplitArgv {
  /** By long name, defaults filled in. */
  flags: Record<string, FlagValue>
  /** Names that were given. */
  given: Set<string>
  positionals: string[]
  /** --help (or -h where no flag has that letter) came before anything wrong. */
  help: boolean
}

export interface SplitOptions {
  /** The words from the first positional on belong to the container: they are not looked at. */
  passthrough?: boolean
}

/** Throws USAGE errors in pflag's words. */
export function splitArgv(argv: readonly string[], definitions: FlagInput, options: SplitOptions = {}): SplitArgv {
  const result: SplitArgv = { flags: {}, given: new Set(), positionals: [], help: false }
  const byChar = new Map<string, string>()
  const byName = new Map<string, string>()
  for (const name in definitions) {
    const definition = definitions[name] as Definition
    byName.set(name, name)
    if (definition.char) byChar.set(definition.char, name)
    for (const alias of definition.aliases ?? []) byName.set(alias, name)
    result.flags[name] = startValue(definition)
  }
  let index = 0
  const next = (): string | undefined => argv[index++]
  while (index < argv.length && !result.help) {
    const word = argv[index++] as string
    if (word === '--') {
      result.positionals.push(...argv.slice(index))
      break
    }
    if (word.length < 2 || word[0] !== '-') {
      result.positionals.push(word)
      if (!options.passthrough) continue
      result.positionals.push(...argv.slice(index))
      break
    }
    if (word[1] === '-') takeLong(word, next, definitions, byName, result)
    else takeShort(word, next, definitions, byChar, result)
  }
  return result
}

function startValue(definition: Definition): FlagValue {
  if (definition.type === 'boolean') return (definition.default as boolean | undefined) ?? false
  return definition.multiple ? [] : (definition.default as FlagValue)
}

function usage(message: string): TpodError {
  return new TpodError('USAGE', message)
}

function takeLong(word: string, next: () => string | undefined, definitions: FlagInput, byName: Map<string, string>, result: SplitArgv): void {
  const equals = word.indexOf('=')
  const typed = equals === -1 ? word.slice(2) : word.slice(2, equals)
  const name = byName.get(typed)
  if (name === undefined) {
    if (typed === 'help') { result.help = true; return }
    throw usage(typed === '' ? `bad flag syntax: ${word}` : `unknown flag: --${typed}`)
  }
  const definition = definitions[name] as Definition
  if (equals !== -1) return assign(result, name, definition, word.slice(equals + 1))
  if (definition.type === 'boolean') return assign(result, name, definition, 'true')
  const value = next()
  if (value === undefined) throw usage(`flag needs an argument: --${typed}`)
  assign(result, name, definition, value)
}

function takeShort(word: string, next: () => string | undefined, definitions: FlagInput, byChar: Map<string, string>, result: SplitArgv): void {
  for (let at = 1; at < word.length; at++) {
    const char = word[at] as string
    const name = byChar.get(char)
    if (name === undefined) {
      if (char === 'h') { result.help = true; return }
      throw usage(`unknown shorthand flag: '${char}' in ${word}`)
    }
    const definition = definitions[name] as Definition
    const rest = word.slice(at + 1)
    if (rest[0] === '=') return assign(result, name, definition, rest.slice(1))
    if (definition.type === 'boolean') {
      assign(result, name, definition, 'true')
      continue
    }
    const value = rest === '' ? next() : rest
    if (value === undefined) throw usage(`flag needs an argument: '${char}' in ${word}`)
    return assign(result, name, definition, value)
  }
}

function assign(result: SplitArgv, name: string, definition: Definition, value: string): void {
  result.given.add(name)
  if (definition.type === 'boolean') {
    result.flags[name] = parseBool(value) ?? refuse(name, definition, value, 'expected true or false')
    return
  }
  if (definition.multiple) {
    const words = definition.delimiter ? splitCsv(value) : [value]
    if (!words) refuse(name, definition, value, 'a quote is not closed')
    result.flags[name] = [...(result.flags[name] as string[]), ...(words ?? [])]
    return
  }
  if (definition.options && !definition.options.includes(value)) {
    refuse(name, definition, value, `must be one of: ${definition.options.join(', ')}`)
  }
  result.flags[name] = typedValue(name, definition, value)
}

function typedValue(name: string, definition: Definition, value: string): string | number {
  const kind = definition.type === 'option' ? definition.helpValue : ''
  if (kind !== 'int' && kind !== 'uint') return value
  const pattern = kind === 'int' ? /^[+-]?\d+$/ : /^\d+$/
  const number = Number(value)
  if (!pattern.test(value) || !Number.isSafeInteger(number)) {
    refuse(name, definition, value, kind === 'int' ? 'expected a whole number' : 'expected a whole number, not negative')
  }
  return number
}

function refuse(name: string, definition: Definition, value: string, why: string): never {
  const shown = definition.char ? `-${definition.char}, --${name}` : `--${name}`
  throw usage(`invalid argument "${value}" for "${shown}" flag: ${why}`)
}

/** Go's strconv.ParseBool. */
function parseBool(value: string): boolean | undefined {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false
  return undefined
}

/** One line of comma-separated values; `"a,b"` and `""` inside quotes as in RFC 4180. Undefined: unclosed quote. */
export function splitCsv(line: string): string[] | undefined {
  if (line === '') return []
  if (!line.includes('"')) return line.split(',')
  const words: string[] = []
  let word = ''
  let quoted = false
  for (let at = 0; at < line.length; at++) {
    const char = line[at] as string
    if (char === '"' && quoted && line[at + 1] === '"') { word += '"'; at++ }
    else if (char === '"' && (quoted || word === '')) quoted = !quoted
    else if (char === ',' && !quoted) { words.push(word); word = '' }
    else word += char
  }
  if (quoted) return undefined
  words.push(word)
  return words
}
