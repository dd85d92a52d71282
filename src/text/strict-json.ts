/** JSON of which nobody else may read something different: valid UTF-8, and no key twice in an object. */

/** The value. Throws a plain Error with one line that says what is wrong, for the caller to put its object before. */
export function parseStrictJson(data: Uint8Array | string): unknown {
  const text = typeof data === 'string' ? data : decode(data)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error('not valid JSON')
  }
  refuseDuplicateKeys(text)
  return value
}

/** The object's members, exactly those of `required` and any of `optional`. Throws a plain Error in Go's words for such files. */
export function exactMembers(value: unknown, required: readonly string[], optional: readonly string[] = []): Record<string, unknown> {
  if (!isJsonObject(value)) throw new Error(`JSON object expected, got ${describe(value)}`)
  for (const key of Object.keys(value)) {
    if (!required.includes(key) && !optional.includes(key)) throw new Error(`Unknown key ${JSON.stringify(key)}`)
  }
  for (const key of required) {
    if (!Object.hasOwn(value, key)) throw new Error(`Key ${JSON.stringify(key)} missing in a JSON object`)
  }
  return value
}

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decode(data: Uint8Array): string {
  try {
    // The byte order mark stays and is refused as JSON.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)
  } catch {
    throw new Error('not valid UTF-8')
  }
}

/** `text` is valid JSON already, so a string before a colon is a key and braces outside strings are objects. */
function refuseDuplicateKeys(text: string): void {
  const objects: Set<string>[] = []
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/gs
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const token = match[0]
    if (token === '{') objects.push(new Set())
    else if (token === '}') objects.pop()
    else if (match[1] !== undefined) {
      const key = JSON.parse(token.slice(0, -match[1].length)) as string
      const keys = objects.at(-1)
      if (keys?.has(key) === true) throw new Error(`Duplicate key ${JSON.stringify(key)}`)
      keys?.add(key)
    }
  }
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
