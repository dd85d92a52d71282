/** Content digests: `algorithm:hex`. Only sha256 is written; a digest is checked before it becomes a key, a path or a URL. */
import { createHash } from 'node:crypto'
import { TpodError } from '../errors/tpod-error.ts'

const sha256Pattern = /^sha256:[0-9a-f]{64}$/

/** True for `sha256:` and 64 lower-case hex digits, the one form containers/storage and we accept. */
export function isDigest(text: string): boolean {
  return sha256Pattern.test(text)
}

/** Returns `text` if it is a digest we can verify; throws BAD_DIGEST (naming `what`) otherwise. */
export function parseDigest(text: unknown, what: string): string {
  if (typeof text === 'string' && sha256Pattern.test(text)) return text
  const shown = typeof text === 'string' ? JSON.stringify(text.slice(0, 100)) : typeof text
  throw new TpodError('BAD_DIGEST', `${what}: invalid digest ${shown}: want sha256: and 64 hex digits`)
}

export function digestOf(bytes: Uint8Array | string): string {
  return 'sha256:' + createHash('sha256').update(bytes).digest('hex')
}

/** The hex part. */
export function digestHex(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1)
}
