import { createHash, randomBytes } from 'node:crypto'

/** The id that every containers/storage gives to this content on this parent. */
export function layerIdFor(parentId: string | undefined, diffId: string): string {
  const hex = diffId.slice(diffId.indexOf(':') + 1)
  return parentId === undefined ? hex : createHash('sha256').update(`${parentId}+${hex}`).digest('hex')
}

/** 64 hexadecimal digits, never all decimal in the short form: that would read as a number on command lines. */
export function newRandomId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex')
    if (/[a-f]/.test(id.slice(0, 12))) return id
  }
}
