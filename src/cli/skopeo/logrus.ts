/** Messages as skopeo's log library writes them: scripts look for `level=fatal msg="…"`. */
import { isatty } from 'node:tty'

export type LogLevel = 'debug' | 'info' | 'warning' | 'error' | 'fatal'

const short: Readonly<Record<LogLevel, [word: string, colour: number]>> = { debug: ['DEBU', 37], info: ['INFO', 36], warning: ['WARN', 33], error: ['ERRO', 31], fatal: ['FATA', 31] }

/** One line, with its end. On a terminal the time is in seconds since the start. */
export function logrusLine(level: LogLevel, message: string, fields: Readonly<Record<string, string>> = {}, now = new Date()): string {
  const entries = Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (isatty(2)) {
    const [word, colour] = short[level]
    const shown = entries.map(([key, value]) => ` \x1b[${colour}m${key}\x1b[0m=${quoted(value)}`).join('')
    return `\x1b[${colour}m${word}\x1b[0m[${Math.floor(process.uptime()).toString().padStart(4, '0')}] ${printable(message).padEnd(44)}${shown}\n`
  }
  const shown = entries.map(([key, value]) => ` ${key}=${quoted(value)}`).join('')
  return `time="${now.toISOString().replace(/\.\d+Z$/, 'Z')}" level=${level} msg=${quoted(message)}${shown}\n`
}

/** Bare where nothing in it needs quotes. */
function quoted(value: string): string {
  return value !== '' && /^[a-zA-Z0-9\-._/@^+]+$/.test(value) ? value : goString(value)
}

function printable(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').replace(/\p{Cc}/gu, '?')
}

/** Go's %q, but for runes that need none of its escapes anyway. */
function goString(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\t', '\\t').replaceAll('\r', '\\r').replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`
}
