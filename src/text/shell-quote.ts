/** Words of a POSIX shell's command line. */
import { TpodError } from '../errors/tpod-error.ts'

/** One word that a shell reads back as `word`. */
export function quoteShellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word
  return `'${word.replaceAll("'", `'\\''`)}'`
}

export function quoteShellWords(words: readonly string[]): string {
  return words.map(quoteShellWord).join(' ')
}

/**
 * Splits like a shell without expansions: blanks separate, single quotes keep all, double quotes keep all but
 * backslash before `"\$` and backquote. Throws UNBALANCED_QUOTES.
 */
export function splitShellWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? ''
    const next = text[at + 1]
    if (quote === "'" || (quote === '"' && char === '"')) {
      if (char === quote) quote = undefined
      else word += char
    } else if (char === '\\' && next !== undefined && (quote === undefined || '"\\$`'.includes(next))) {
      word = (word ?? '') + next
      at++
    } else if (quote !== undefined) {
      word += char
    } else if (char === "'" || char === '"') {
      quote = char
      word ??= ''
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + char
    }
  }
  if (quote !== undefined) throw new TpodError('UNBALANCED_QUOTES', `split "${text}": a quote is not closed`)
  return word === undefined ? words : [...words, word]
}
