/** fmt.Sprintf, Sprint and Sprintln for the values of a template. */
import { formatGoJson } from './go-json.ts'
import { formatValue, kindOf, typeName } from './values.ts'

const directive = /%(?<flags>[-+# 0]*)(?<width>\*|\d+)?(?:\.(?<precision>\*|\d*))?(?<verb>.)|%$/gsu

interface Spec {
  flags: string
  width: number | undefined
  precision: number | undefined
}

/** Wrong or missing arguments show up in the text (`%!d(string=x)`, `%!s(MISSING)`), as in Go; nothing throws. */
export function sprintf(format: string, args: readonly unknown[]): string {
  let used = 0
  const text = format.replace(directive, (...match) => {
    const groups = match.at(-1) as Record<string, string | undefined>
    const verb = groups['verb']
    if (verb === undefined) return '%!(NOVERB)'
    if (verb === '%') return '%'
    const number = (written: string | undefined): number | undefined => {
      if (written === '*') return Number(args[used++])
      return written === undefined ? undefined : Number(written)
    }
    const spec: Spec = { flags: groups['flags'] ?? '', width: number(groups['width']), precision: number(groups['precision']) }
    if (used >= args.length) return `%!${verb}(MISSING)`
    return formatVerb(verb, args[used++], spec)
  })
  if (used >= args.length) return text
  const extra = args.slice(used).map((arg) => `${typeName(arg)}=${formatValue(arg)}`)
  return `${text}%!(EXTRA ${extra.join(', ')})`
}

function formatVerb(verb: string, value: unknown, spec: Spec): string {
  const isList = kindOf(value) === 'slice'
  if (isList && 'sqdxXt'.includes(verb)) return `[${(value as unknown[]).map((entry) => formatVerb(verb, entry, spec)).join(' ')}]`
  const text = convert(verb, value, spec)
  if (text === undefined) return `%!${verb}(${typeName(value)}=${formatValue(value)})`
  return pad(text, spec, kindOf(value) === 'number' && !'sqv'.includes(verb))
}

function pad(text: string, spec: Spec, isNumber: boolean): string {
  const width = Math.min(Math.abs(spec.width ?? 0), 1_000_000)
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (spec.flags.includes('-') || (spec.width ?? 0) < 0) return text + ' '.repeat(missing)
  if (!spec.flags.includes('0') || !isNumber) return ' '.repeat(missing) + text
  const sign = /^[+-]/.exec(text)?.[0] ?? ''
  return sign + '0'.repeat(missing) + text.slice(sign.length)
}

function convert(verb: string, value: unknown, spec: Spec): string | undefined {
  const kind = kindOf(value)
  switch (verb) {
    case 'v':
      if (spec.flags.includes('#')) return kind === 'string' ? formatGoJson(value) : formatValue(value, true)
      return formatValue(value, spec.flags.includes('+'))
    case 's': {
      if (kind === 'number' || kind === 'bool') return undefined
      const text = formatValue(value)
      return spec.precision === undefined ? text : [...text].slice(0, spec.precision).join('')
    }
    case 'q':
      return kind === 'string' ? formatGoJson(value) : kind === 'number' ? `'${String.fromCodePoint(Number(value))}'` : undefined
    case 't':
      return kind === 'bool' ? String(value) : undefined
    case 'T':
      return typeName(value)
    default:
      return kind === 'number' ? convertNumber(verb, value as number | bigint, spec) : convertText(verb, value)
  }
}

function convertText(verb: string, value: unknown): string | undefined {
  if (typeof value !== 'string' || (verb !== 'x' && verb !== 'X')) return undefined
  const hex = Buffer.from(value).toString('hex')
  return verb === 'X' ? hex.toUpperCase() : hex
}

function convertNumber(verb: string, value: number | bigint, spec: Spec): string | undefined {
  const sign = spec.flags.includes('+') && value >= 0 ? '+' : spec.flags.includes(' ') && value >= 0 ? ' ' : ''
  const isWhole = typeof value === 'bigint' || Number.isInteger(value)
  const prefix = (text: string): string => (spec.flags.includes('#') ? text : '')
  const digits = (radix: number, before = ''): string | undefined => {
    if (!isWhole) return undefined
    const text = value.toString(radix)
    return sign + (text.startsWith('-') ? `-${before}${text.slice(1)}` : before + text)
  }
  switch (verb) {
    case 'd':
      return digits(10)
    case 'x':
      return digits(16, prefix('0x'))
    case 'X':
      return digits(16, prefix('0X'))?.toUpperCase()
    case 'o':
      return digits(8, prefix('0'))
    case 'b':
      return digits(2, prefix('0b'))
    case 'c':
      return isWhole && value >= 0 && value <= 0x10ffff ? String.fromCodePoint(Number(value)) : undefined
    case 'U':
      return isWhole ? `U+${value.toString(16).toUpperCase().padStart(4, '0')}` : undefined
    case 'f':
    case 'F':
      return sign + Number(value).toFixed(Math.min(spec.precision ?? 6, 100))
    case 'e':
    case 'E': {
      const text = Number(value).toExponential(Math.min(spec.precision ?? 6, 100)).replace(/e([+-])(\d)$/, 'e$10$2')
      return sign + (verb === 'E' ? text.toUpperCase() : text)
    }
    case 'g':
    case 'G':
      return sign + (spec.precision === undefined ? formatValue(Number(value)) : String(Number(Number(value).toPrecision(Math.max(1, spec.precision)))))
    default:
      return undefined
  }
}

/** Blanks only between operands of which neither is a string. */
export function sprint(args: readonly unknown[]): string {
  let text = ''
  for (const [index, value] of args.entries()) {
    if (index > 0 && typeof value !== 'string' && typeof args[index - 1] !== 'string') text += ' '
    text += formatValue(value)
  }
  return text
}

export function sprintln(args: readonly unknown[]): string {
  return `${args.map((value) => formatValue(value)).join(' ')}\n`
}
