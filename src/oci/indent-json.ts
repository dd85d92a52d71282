/** Lays out compact JSON text as Go's json.MarshalIndent does: empty lists and objects stay on one line. */
export function indentJson(compact: string, indent: string): string {
  const parts: string[] = []
  let depth = 0
  const lines = ['\n']
  const line = (): string => (lines[depth] ??= `\n${indent.repeat(depth)}`)
  for (let at = 0; at < compact.length; at++) {
    const char = compact[at] as string
    if (char === '"') {
      const end = endOfText(compact, at)
      parts.push(compact.slice(at, end + 1))
      at = end
    } else if ((char === '{' || char === '[') && compact[at + 1] !== (char === '{' ? '}' : ']')) {
      depth++
      parts.push(char, line())
    } else if (char === '{' || char === '[') {
      parts.push(char, compact[++at] as string)
    } else if (char === '}' || char === ']') {
      depth--
      parts.push(line(), char)
    } else if (char === ',') parts.push(char, line())
    else parts.push(char === ':' ? ': ' : char)
  }
  return parts.join('')
}

/** Index of the quote that ends the string which begins at `start`. */
function endOfText(compact: string, start: number): number {
  for (let end = compact.indexOf('"', start + 1); end >= 0; end = compact.indexOf('"', end + 1)) {
    let before = end
    while (compact[before - 1] === '\\') before--
    if ((end - before) % 2 === 0) return end
  }
  return compact.length
}
