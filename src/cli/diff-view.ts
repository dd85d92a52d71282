/** How `diff` prints changes: podman's lines, or its JSON. */
import type { LayerChange } from '../storage/types.ts'
import { writeOut } from './output.ts'

/** `C /etc`, a line each; names as they are on disk, but control characters could draw on the terminal. */
export function writeChanges(changes: readonly LayerChange[], format: string): void {
  if (format === 'json') return writeOut(`${JSON.stringify(changesJson(changes), null, 5)}\n`)
  const lines = changes.map(({ kind, path }) => `${kind} ${path.replace(/[^\x20-\x7e\x80-\xff]|\xc2[\x80-\x9f]/g, '?')}\n`)
  writeOut(Buffer.from(lines.join(''), 'latin1'))
}

function changesJson(changes: readonly LayerChange[]): Record<string, string[]> {
  const lists: Record<string, string[]> = {}
  for (const [key, wanted] of [['changed', 'C'], ['added', 'A'], ['deleted', 'D']] as const) {
    const paths = changes.filter(({ kind }) => kind === wanted).map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'))
    if (paths.length > 0) lists[key] = paths
  }
  return lists
}
