/**
 * One blob up to a registry (distribution specification, "Pushing blobs"): begun by POST, sent by PATCH in one stream, ended
 * by PUT with the digest. What breaks goes on where the registry says it stands; what it has lost is sent again.
 */
import { errorCode, throwIfAborted, TpodError } from '../../errors/tpod-error.ts'
import { digestOf } from '../../oci/digest.ts'
import type { BlobToStore, StoredBlob } from '../types.ts'
import type { RegistryClient } from './client.ts'
import { connectionError, RegistryRefusal } from './registry-errors.ts'
import { ReplayableBytes } from './replayable-bytes.ts'
import { isBrokenConnection, TemporaryStatus, waitToRetry } from './retry.ts'
import type { UploadRecords } from './upload-records.ts'
import { endOfRange, startUpload } from './upload-session.ts'
import type { UploadSession } from './upload-session.ts'

export interface UploadContext {
  client: RegistryClient
  /** host/path of the repository. */
  repository: string
  /** Action and object for messages, without the blob. */
  what: string
  attempts: number
  retryDelayMs: number
  onRetry?: (what: string, why: string, attempt: number, delayMs: number) => void
  /** Absent: an upload that is interrupted is not remembered. */
  records?: UploadRecords
  /** Bytes per PATCH; Infinity until the registry refuses more. Shared by all blobs. */
  limits: { chunkBytes: number }
  stallTimeoutMs: number
}

/** What is kept in memory of bytes that come once. More than a connection's buffers hold at most of the time. */
const windowBytes = 8 * 1024 * 1024
const chunkWhenRefused = 8 * 1024 * 1024
/** Up to here a blob is read whole and goes up in one request. */
const smallBytes = 256 * 1024
/** However often new bytes come in between, an upload that breaks more often than this is given up. */
const maxBreaks = 50
/** How long an interrupted upload may take to be ended in order, ms. */
const graceMs = 3_000
/** Until a registry has hashed and moved a blob, times the stall time. */
const commitPatience = 5

/** `begun`: a session that a refused mount has left. Throws what `bytes` throws, UPLOAD_BROKEN, DIGEST_MISMATCH, REGISTRY_*. */
export async function uploadBlob(context: UploadContext, bytes: AsyncIterable<Uint8Array>, blob: BlobToStore, begun?: UploadSession): Promise<StoredBlob> {
  if (blob.digest !== undefined && blob.sizeBytes !== undefined && blob.sizeBytes <= smallBytes) return uploadSmall(context, bytes, blob, begun)
  const upload = new BlobUpload(context, bytes, blob)
  try {
    return await upload.run(begun)
  } finally {
    await upload.bytes.close()
  }
}

/** POST unless begun, then PUT with all bytes: every registry must take it so, and it saves a round trip. */
async function uploadSmall(context: UploadContext, bytes: AsyncIterable<Uint8Array>, blob: BlobToStore, begun: UploadSession | undefined): Promise<StoredBlob> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bytes) {
    size += chunk.length
    if (size > blob.sizeBytes!) break
    chunks.push(Buffer.from(chunk))
  }
  const data = Buffer.concat(chunks)
  const digest = digestOf(data)
  const what = `${context.what}: ${blob.kind} ${blob.digest!.slice(7, 19)}`
  if (digest !== blob.digest) throw new TpodError('DIGEST_MISMATCH', `${what}: its bytes have digest ${digest}`)
  const session = begun ?? (await startUpload(context.client, what, blob.signal))
  await finishUpload(context, what, session, digest, data, blob.signal)
  return { digest, sizeBytes: data.length }
}

async function finishUpload(context: UploadContext, what: string, session: UploadSession, digest: string, body: Uint8Array | undefined, signal: AbortSignal | undefined): Promise<void> {
  const url = new URL(session.location)
  url.searchParams.set('digest', digest)
  const response = await context.client.send({
    method: 'PUT',
    path: url,
    what,
    headers: { 'Content-Type': 'application/octet-stream' },
    ...(body === undefined ? {} : { body }),
    answerTimeoutMs: context.stallTimeoutMs * commitPatience,
    expect: [201, 204],
    missing: 'UPLOAD_UNKNOWN',
    ...withSignal(signal),
  })
  response.discard()
}

/** Failures are dealt with in `run` alone: bytes that broke off, sessions that are gone, registries that want smaller requests. */
class BlobUpload {
  readonly bytes: ReplayableBytes
  private readonly context: UploadContext
  private readonly blob: BlobToStore
  private readonly what: string
  /** Under which the upload is remembered. */
  private readonly key: string | undefined
  private digest: string | undefined

  constructor(context: UploadContext, bytes: AsyncIterable<Uint8Array>, blob: BlobToStore) {
    this.context = context
    this.blob = blob
    this.key = context.records === undefined ? undefined : (blob.digest ?? blob.resumeKey)
    const name = blob.digest ?? blob.diffId
    this.what = `${context.what}: ${blob.kind}${name === undefined ? '' : ` ${name.slice(7, 19)}`}`
    this.bytes = new ReplayableBytes(bytes, { windowBytes, hashes: blob.digest === undefined, ...(blob.reread === undefined ? {} : { reread: blob.reread }), ...withSignal(blob.signal) })
  }

  async run(begun: UploadSession | undefined): Promise<StoredBlob> {
    const { attempts, retryDelayMs, onRetry, client } = this.context
    let session = (await this.remembered()) ?? begun ?? (await startUpload(client, this.what, this.blob.signal))
    let fruitless = 0
    for (let breaks = 1; ; breaks++) {
      const before = session.offset
      try {
        return await this.sendAll(session)
      } catch (error) {
        throwIfAborted(this.blob.signal)
        if (this.bytes.failure !== undefined) throw this.bytes.failure.error
        await this.learnFrom(error, session)
        fruitless = session.offset > before ? 1 : fruitless + 1
        if (fruitless >= attempts || breaks >= maxBreaks) throw finalError(error, this.what)
        await waitToRetry(error, fruitless, { delayMs: retryDelayMs, attempts, ...withSignal(this.blob.signal), ...(onRetry === undefined ? {} : { onRetry: (why, attempt, delayMs) => onRetry(this.what, why, attempt, delayMs) }) })
        session = (await this.whereItStands(session)) ?? (await startUpload(client, this.what, this.blob.signal))
      }
    }
  }

  private async remembered(): Promise<UploadSession | undefined> {
    const location = this.key === undefined ? undefined : await this.context.records!.find(this.context.repository, this.key)
    if (location === undefined) return undefined
    // Whatever is wrong with it, a new one may do.
    const session = await this.whereItStands({ location, offset: 0 }).catch(() => throwIfAborted(this.blob.signal))
    return !session || session.offset === 0 ? undefined : { ...session, isResumed: true }
  }

  private async sendAll(session: UploadSession): Promise<StoredBlob> {
    if (!(await this.bytes.seek(session.offset))) throw await this.broken('the registry has lost bytes that are gone here, too')
    while (!this.bytes.isAtEnd) {
      await this.patch(session)
      if (this.bytes.failure !== undefined) throw this.bytes.failure.error
    }
    const digest = (this.digest ??= this.blob.digest ?? this.bytes.digest())
    try {
      await finishUpload(this.context, this.what, session, digest, undefined, this.blob.signal)
    } catch (error) {
      if (!(await this.hasArrived(error, digest))) throw error
    }
    await this.forget()
    return { digest, sizeBytes: this.bytes.offset }
  }

  /** One PATCH: everything, or a chunk where the registry wants them small. Bytes that fail are followed by an orderly end, so that the registry keeps what it has. */
  private async patch(session: UploadSession): Promise<void> {
    const { client, limits, stallTimeoutMs } = this.context
    const { blob, bytes } = this
    await this.remember(session)
    const grace = this.key === undefined ? undefined : graceAfter(blob.signal)
    const isChunk = limits.chunkBytes !== Infinity
    const body = isChunk ? await this.readChunk(limits.chunkBytes) : this.stream(this.key !== undefined)
    if (body instanceof Uint8Array && body.length === 0) return
    const known: Record<string, string> = blob.sizeBytes === undefined || this.key !== undefined || isChunk ? {} : { 'Content-Length': String(blob.sizeBytes - session.offset) }
    const range: Record<string, string> = body instanceof Uint8Array ? { 'Content-Range': `${session.offset}-${session.offset + body.length - 1}` } : {}
    try {
      const response = await client.send({
        method: 'PATCH',
        path: session.location,
        what: this.what,
        headers: { 'Content-Type': 'application/octet-stream', ...known, ...range },
        body,
        answerTimeoutMs: stallTimeoutMs * 2,
        expect: [202, 204],
        missing: 'UPLOAD_UNKNOWN',
        ...withSignal(grace?.signal ?? blob.signal),
      })
      response.discard()
      session.location = client.addressIn(response, 'location', this.what) ?? session.location
      const before = session.offset
      session.offset = endOfRange(response) ?? bytes.offset
      if (session.offset <= before && bytes.offset > before) throw new TpodError('BROKEN_TRANSFER', `${session.location.host} has kept nothing of ${bytes.offset - before} bytes`)
    } finally {
      grace?.end()
    }
    await this.remember(session)
    if (session.offset !== bytes.offset && !(await bytes.seek(session.offset))) throw await this.broken('the registry has not taken all bytes')
  }

  private async *stream(endsInOrder: boolean): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.bytes.next(); chunk !== undefined; chunk = await this.bytes.next()) yield chunk
    if (this.bytes.failure !== undefined && !endsInOrder) throw this.bytes.failure.error
  }

  private async readChunk(limit: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    let size = 0
    while (size < limit) {
      const part = await this.bytes.next(limit - size)
      if (part === undefined) break
      parts.push(Buffer.from(part))
      size += part.length
    }
    return Buffer.concat(parts)
  }

  /** Rethrows what another attempt doesn't help against. */
  private async learnFrom(error: unknown, session: UploadSession): Promise<void> {
    if (error instanceof RegistryRefusal) {
      const { status, code } = error.complaint
      if (status === 413 && this.context.limits.chunkBytes === Infinity) {
        this.context.limits.chunkBytes = chunkWhenRefused
        return
      }
      if (code === 'DIGEST_INVALID' || (status === 400 && session.isResumed === true)) {
        await this.forget()
        if (session.isResumed === true) throw await this.broken('what an earlier run had sent is not the same')
        throw new TpodError('DIGEST_MISMATCH', `${error.message}`, { cause: error })
      }
      if (status === 416 || status === 404 || code === 'BLOB_UPLOAD_UNKNOWN' || code === 'BLOB_UPLOAD_INVALID' || code === 'RANGE_INVALID') return
    }
    if (error instanceof TemporaryStatus || isBrokenConnection(error) || errorCode(error) === 'UPLOAD_UNKNOWN' || isLateRefusal(error)) return
    throw connectionError(this.what, session.location.host, error)
  }

  /** Undefined: the registry knows nothing of it any more. */
  private async whereItStands(session: UploadSession): Promise<UploadSession | undefined> {
    const { client } = this.context
    try {
      const response = await client.send({ path: session.location, what: this.what, expect: [204, 200, 202], missing: 'UPLOAD_UNKNOWN', ...withSignal(this.blob.signal) })
      response.discard()
      const offset = endOfRange(response) ?? 0
      return { location: client.addressIn(response, 'location', this.what) ?? session.location, offset, ...(session.isResumed === true ? { isResumed: true } : {}) }
    } catch (error) {
      throwIfAborted(this.blob.signal)
      if (!(error instanceof RegistryRefusal)) throw error
      await this.forget()
      return undefined
    }
  }

  /** The answer to the last PUT may be what was lost, or a second one have found the session gone. */
  private async hasArrived(error: unknown, digest: string): Promise<boolean> {
    if (!(error instanceof TpodError) || !/^(?:UPLOAD_UNKNOWN|REGISTRY_UNREACHABLE|REGISTRY_ERROR)$/.test(error.code)) return false
    try {
      const response = await this.context.client.send({ method: 'HEAD', path: `blobs/${digest}`, what: this.what, missing: 'BLOB_UNKNOWN', ...withSignal(this.blob.signal) })
      response.discard()
      return true
    } catch {
      return false
    }
  }

  private async remember(session: UploadSession): Promise<void> {
    if (this.key !== undefined) await this.context.records!.put(this.context.repository, this.key, session.location)
  }

  private async forget(): Promise<void> {
    if (this.key !== undefined) await this.context.records!.remove(this.context.repository, this.key)
  }

  private async broken(why: string): Promise<TpodError> {
    await this.forget()
    return new TpodError('UPLOAD_BROKEN', `${this.what}: ${why}`, { remedy: 'push again: layers that have arrived are not sent again' })
  }
}

/** An abort that waits: the upload's own signal, so much later. */
function graceAfter(signal: AbortSignal | undefined): { signal: AbortSignal; end: () => void } | undefined {
  if (signal === undefined) return undefined
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const start = (): void => void (timer = setTimeout(() => late.abort(signal.reason), graceMs))
  if (signal.aborted) start()
  else signal.addEventListener('abort', start, { once: true })
  return {
    signal: late.signal,
    end() {
      clearTimeout(timer)
      signal.removeEventListener('abort', start)
    },
  }
}

/** Refused in the middle of an upload: the registry, or the proxy before it, is being restarted. */
function isLateRefusal(error: unknown): boolean {
  return errorCode(error) === 'ECONNREFUSED' || /^(?:PROXY_UNREACHABLE|PROXY_REFUSED)$/.test(errorCode(error) ?? '')
}

function finalError(error: unknown, what: string): unknown {
  if (error instanceof TemporaryStatus) return error.final
  if (error instanceof TpodError && error.code !== 'BROKEN_TRANSFER') return error
  return new TpodError('UPLOAD_BROKEN', `${what}: the connection breaks again and again: ${error instanceof Error ? error.message : String(error)}`, { cause: error, remedy: 'try again; the network or the registry is unreliable' })
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal }
}
