/**
 * Small requests by the runtime's own fetch, where that is native code (Bun): a manifest costs 1 ms of processor time
 * instead of 7, over TLS 7 instead of 18, as node:http and node:tls need not be loaded. For what is read at once only: its
 * bodies have no back-pressure. A request that fails is made again by node:http, whose errors are those that are known here.
 */
import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import { isShort } from './http.ts'
import type { HttpRequest, HttpResponse } from './http.ts'
import type { TlsMaterial } from './tls.ts'

/** What Bun's fetch takes besides the standard's options. */
interface QuickInit extends RequestInit {
  decompress: false
  proxy: false
  tls: { ca?: string[]; rejectUnauthorized: boolean }
}

/** Undefined: it failed before an answer came. Throws the abort reason, BROKEN_TRANSFER when nothing comes for `stallTimeoutMs`. */
export async function quickExchange({ method, url, headers, signal }: HttpRequest, { ca, rejectUnauthorized }: TlsMaterial, stallTimeoutMs: number): Promise<HttpResponse | undefined> {
  signal?.throwIfAborted()
  const stop = new AbortController()
  const abort = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  const stalled = new TpodError('BROKEN_TRANSFER', `read ${url.host}: nothing received for ${Math.round(stallTimeoutMs / 1000)} s`)
  const timer = setTimeout(() => stop.abort(stalled), stallTimeoutMs)
  const init: QuickInit = { method, headers, redirect: 'manual', signal: stop.signal, decompress: false, proxy: false, tls: { rejectUnauthorized, ...(ca === undefined ? {} : { ca }) } }
  try {
    const response = await fetch(url, init)
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      url,
      body: readBody(response, { url, stop, signal, stallTimeoutMs, isHead: method === 'HEAD' }),
      discard: () => discard(response, stop, method === 'HEAD'),
    }
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (stop.signal.aborted) throw stalled
    // An insecure registry that speaks plain HTTP is told apart by this very failure.
    if (url.protocol === 'https:' && !rejectUnauthorized && errorCode(error) === 'EPROTO') throw error
    return undefined
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function discard(response: Response, stop: AbortController, isHead: boolean): void {
  if (isHead || response.body === null) return
  if (!isShort(response.headers.get('content-length'))) return stop.abort()
  const timer = setTimeout(() => stop.abort(), 1000)
  response.arrayBuffer().catch(() => {}).finally(() => clearTimeout(timer))
}

interface Reading {
  url: URL
  stop: AbortController
  signal: AbortSignal | undefined
  stallTimeoutMs: number
  isHead: boolean
}

async function* readBody(response: Response, { url, stop, signal, stallTimeoutMs, isHead }: Reading): AsyncGenerator<Uint8Array> {
  if (response.body === null || isHead) return
  const abort = (): void => stop.abort(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (signal?.aborted === true) abort()
  const broken = (why: string, cause?: unknown): TpodError => new TpodError('BROKEN_TRANSFER', `read ${url.host}: ${why}`, { cause })
  const reader = response.body.getReader()
  let timer: NodeJS.Timeout | undefined
  let isStalled = false
  let size = 0
  let hasEnded = false
  try {
    for (;;) {
      timer = setTimeout(() => {
        isStalled = true
        stop.abort()
      }, stallTimeoutMs)
      const { done, value } = await reader.read()
      clearTimeout(timer)
      if (done) break
      size += value.length
      yield value
    }
    hasEnded = true
    const stated = response.headers.get('content-length')
    if (stated !== null && size < Number(stated)) throw broken('connection closed before the end of the body')
  } catch (cause) {
    if (signal?.aborted === true) throw signal.reason
    if (cause instanceof TpodError) throw cause
    throw broken(isStalled ? `nothing received for ${Math.round(stallTimeoutMs / 1000)} s` : cause instanceof Error ? cause.message : String(cause), cause)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
    if (!hasEnded) stop.abort()
  }
}
