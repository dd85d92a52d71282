/** Which failures are worth another attempt, and how long to wait for it. */
import { errorCode, errorMessage, throwIfAborted } from '../../errors/tpod-error.ts'

export interface RetryOptions {
  /** Base delay, doubled at each attempt, ms. */
  delayMs: number
  /** Attempts in all. */
  attempts: number
  signal?: AbortSignal
  onRetry?: (why: string, attempt: number, delayMs: number) => void
}

/** Thrown by a request for a status that may pass: 408, 429, 5xx. */
export class TemporaryStatus extends Error {
  readonly status: number
  /** From Retry-After, ms. */
  readonly retryAfterMs: number | undefined
  /** What to throw when attempts run out. */
  readonly final: Error

  constructor(status: number, retryAfterMs: number | undefined, final: Error) {
    super(`status ${status}`)
    this.status = status
    this.retryAfterMs = retryAfterMs
    this.final = final
  }
}

const maxDelayMs = 60_000
const brokenConnection = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNABORTED', 'EAI_AGAIN', 'ENETRESET', 'BROKEN_TRANSFER', 'ConnectionClosed', 'UND_ERR_SOCKET'])

/** True for a connection that broke after it had been made: refused ones and unknown hosts fail at once. */
export function isBrokenConnection(error: unknown): boolean {
  const code = errorCode(error)
  return code !== undefined && brokenConnection.has(code)
}

export function isTemporaryStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504
}

/** Retry-After: seconds or a date. */
export function parseRetryAfter(value: string, now: number): number | undefined {
  if (/^\d+$/.test(value)) return Math.min(Number(value) * 1000, maxDelayMs)
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.min(Math.max(date - now, 0), maxDelayMs)
}

/** Runs `attempt` until it succeeds, fails for good, or attempts are used up; then its last error is thrown. */
export async function withRetry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt()
    } catch (error) {
      throwIfAborted(options.signal)
      const isTemporary = error instanceof TemporaryStatus
      if (!isTemporary && !isBrokenConnection(error)) throw error
      if (number >= options.attempts) throw isTemporary ? error.final : error
      await waitToRetry(error, number, options)
    }
  }
}

/** Sleeps before attempt `number + 1`; exponential, with jitter so that many clients do not come back at once. */
export async function waitToRetry(error: unknown, number: number, options: RetryOptions): Promise<void> {
  const backOff = Math.min(options.delayMs * 2 ** (number - 1), maxDelayMs) * (0.75 + Math.random() / 2)
  const delayMs = Math.round(error instanceof TemporaryStatus ? (error.retryAfterMs ?? backOff) : backOff)
  const isAsked = error instanceof TemporaryStatus && error.retryAfterMs !== undefined
  options.onRetry?.(isAsked ? `the registry answers ${error.message} and asks to wait ${Math.ceil(delayMs / 1000)} s` : errorMessage(error), number, delayMs)
  await sleep(delayMs, options.signal)
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', abort, { once: true })
  })
}
