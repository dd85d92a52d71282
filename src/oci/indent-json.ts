/** Lays out compact JSON text as Go's json.MarshalIndent does: empty lists and objects stay on one line. */
export function indentJson(compact: string, indent: string): string {
  const parts: string[] = []
  let depth = 0
  const line = (): string => `\n${indent.repeat(depth)}`
  for (let at = 0; at < compact.length; at++) {
    const char = compact[at] as string
    if (char === '"') {
      const start = at
      for (at++; compact[at] !== '"'; at++) if (compact[at] === '\\') at++
      parts.push(compact.slice(start, at + 1))
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
