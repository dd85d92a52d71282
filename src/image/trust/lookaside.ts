/**
 * Signatures kept beside a registry, in a directory or on a web server: BASE/REPOSITORY@sha256=HEX/signature-1, -2, …
 * until one is missing (containers/image's docs/signature-protocols.md).
 */
import { closeSync, fdatasyncSync, writeSync } from 'node:fs'
import { link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { createTemporaryFile, sweepTemporaryFiles } from '../../host/fs/temporary.ts'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { digestHex, parseDigest } from '../../oci/digest.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { Signature } from '../types.ts'
import { decodeSignatureBlob, encodeSignatureBlob, maxSignatureBytes, signatureBudget } from './signature-blob.ts'

/** Of one image: a server that has more is broken or hostile. */
const maxSignatures = 128

/** Bytes of a URL, undefined where the server has nothing there; must itself stop beyond maxSignatureBytes. */
export type FetchUrl = (url: URL, options: { maxBytes: number; signal?: AbortSignal }) => Promise<Uint8Array | undefined>

/** In their order. Throws LOOKASIDE_FAILED, SIGNATURE_INVALID, and what `fetchUrl` throws. */
export async function readLookaside(base: string, reference: QualifiedReference, manifestDigest: string, options: { fetchUrl: FetchUrl; signal?: AbortSignal }): Promise<Signature[]> {
  const { fetchUrl, signal } = options
  const signatures: Signature[] = []
  const spend = signatureBudget(reference.name)
  for (let number = 1; ; number++) {
    const url = signatureUrl(base, reference, manifestDigest, number, 'read')
    if (number > maxSignatures) throw new TpodError('LOOKASIDE_FAILED', `read signatures from ${url.href}: more than ${maxSignatures}, that is no sensible number`)
    signal?.throwIfAborted()
    const blob = url.protocol === 'file:' ? await readSignatureFile(filePath(url)) : await fetchUrl(url, { maxBytes: maxSignatureBytes, ...(signal === undefined ? {} : { signal }) })
    if (blob === undefined) return signatures
    spend(blob.length)
    signatures.push(decodeSignatureBlob(blob, shown(url)))
  }
}

/**
 * Makes `signatures` those of the manifest: each file is replaced in one step, surplus ones are removed last. Throws
 * LOOKASIDE_FAILED, also for web servers, which can only be read.
 */
export async function writeLookaside(base: string, reference: QualifiedReference, manifestDigest: string, signatures: readonly Signature[]): Promise<void> {
  const pathOf = (number: number): string => writablePath(base, reference, manifestDigest, number)
  try {
    await mkdir(dirname(pathOf(1)), { recursive: true, mode: 0o755 })
    for (const [index, signature] of signatures.entries()) await writeFileAtomic(pathOf(index + 1), encodeSignatureBlob(signature), { mode: 0o644 })
    // From the end, so that a crash never leaves a gap with signatures behind it.
    let last = signatures.length
    while (last < maxSignatures && (await readSignatureFile(pathOf(last + 1))) !== undefined) last++
    for (; last > signatures.length; last--) await unlink(pathOf(last))
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    throw new TpodError('LOOKASIDE_FAILED', `write signatures to ${base}: ${errorMessage(cause)}`, { cause })
  }
}

/**
 * Adds one signature after those that are there and returns the path of its file; two that add at once get a number
 * each. Throws LOOKASIDE_FAILED.
 */
export async function appendToLookaside(base: string, reference: QualifiedReference, manifestDigest: string, signature: Signature): Promise<string> {
  try {
    for (let number = 1; ; number++) {
      const path = writablePath(base, reference, manifestDigest, number)
      if (number === 1) await mkdir(dirname(path), { recursive: true, mode: 0o755 })
      if (number > maxSignatures) throw new TpodError('LOOKASIDE_FAILED', `write signature to ${path}: there are ${maxSignatures} already`)
      if ((await readSignatureFile(path)) !== undefined) continue
      sweepTemporaryFiles(dirname(path))
      const temporary = createTemporaryFile(dirname(path), 'signature', 0o644)
      try {
        const bytes = encodeSignatureBlob(signature)
        for (let done = 0; done < bytes.length; ) done += writeSync(temporary.fd, bytes, done)
        fdatasyncSync(temporary.fd)
        // Unlike a rename, a link replaces nothing.
        await link(temporary.path, path)
        return path
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error
      } finally {
        await unlink(temporary.path).catch(() => {})
        closeSync(temporary.fd)
      }
    }
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    throw new TpodError('LOOKASIDE_FAILED', `write signature to ${base}: ${errorMessage(cause)}`, { cause })
  }
}

function writablePath(base: string, reference: QualifiedReference, manifestDigest: string, number: number): string {
  const url = signatureUrl(base, reference, manifestDigest, number, 'write')
  if (url.protocol === 'file:') return filePath(url)
  throw new TpodError('LOOKASIDE_FAILED', `Writing directly to a ${url.protocol.slice(0, -1)} lookaside ${shown(url)} is not supported`, { remedy: 'configure a lookaside-staging: file:///… in registries.d' })
}

function signatureUrl(base: string, reference: QualifiedReference, manifestDigest: string, number: number, verb: 'read' | 'write'): URL {
  const url = URL.parse(base)
  if (url === null) throw new TpodError('LOOKASIDE_FAILED', `Invalid signature storage URL ${base}`, { remedy: 'correct it in registries.d: file:///directory or https://host/path' })
  if (!['file:', 'http:', 'https:'].includes(url.protocol)) throw new TpodError('LOOKASIDE_FAILED', `Unsupported scheme when ${verb === 'read' ? 'reading signature from' : 'writing signature to'} ${shown(url)}`)
  const hex = digestHex(parseDigest(manifestDigest, 'read signatures'))
  // The reference's grammar has no `..` and nothing that a URL would change.
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/${reference.path}@sha256=${hex}/signature-${number}`
  return url
}

function filePath(url: URL): string {
  return decodeURIComponent(url.pathname)
}

function shown(url: URL): string {
  const copy = new URL(url)
  copy.username = copy.password = ''
  return copy.href
}

/** At most maxSignatureBytes and one more, so that the parser refuses what is larger. */
async function readSignatureFile(path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      const buffer = Buffer.alloc(Math.min(size, maxSignatureBytes + 1))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT' || errorCode(cause) === 'ENOTDIR') return undefined
    throw new TpodError('LOOKASIDE_FAILED', `read signature ${path}: ${errorMessage(cause)}`, { cause })
  }
}
