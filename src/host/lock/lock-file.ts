/**
 * Lock files as containers/storage uses them: whole-file fcntl locks, and a 64-byte token inside that tells other
 * processes "something changed". We take open-file-description locks: they exclude (and are excluded by) the POSIX
 * locks of the Go tools, and two operations of one process exclude each other because each opens its own descriptor.
 */
import { closeSync, constants, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { LockType, native } from '../native/native.ts'
import { TpodError, errorCode, throwIfAborted } from '../../errors/tpod-error.ts'
import type { LockHolder } from './lock-holder.ts'

export type LockMode = 'read' | 'write'

export interface LockOptions {
  signal?: AbortSignal
  /** Longest wait; LOCK_TIMEOUT names the holder then. Absent: 10 minutes, or 20 seconds if the holder is stopped (SIGSTOP) by then. */
  timeoutMs?: number
  /** Open without write access and without creating anything: lock files of read-only stores. Mode 'read' only. */
  readOnly?: boolean
}

const TOKEN_BYTES = 64
/** O_CLOEXEC: conmon inheriting a locked descriptor would hold the store's lock for the container's life. */
const O_CLOEXEC = 0o2000000
let tokenCounter = 0n

/** A held lock. Never unlink or rename over the file: others wait on its inode. */
export class LockFile {
  readonly path: string
  readonly mode: LockMode
  #fd: number

  private constructor(path: string, mode: LockMode, fd: number) {
    this.path = path
    this.mode = mode
    this.#fd = fd
  }

  /**
   * Waits for the lock. Creates the file (0644) and its directories (0700) when missing.
   * The holder's death releases it. Throws the abort reason, LOCK_TIMEOUT, or the system error of open.
   */
  static async acquire(path: string, mode: LockMode, options: LockOptions = {}): Promise<LockFile> {
    throwIfAborted(options.signal)
    const fd = openLockFile(path, options.readOnly ?? false)
    const type = LockType[mode]
    try {
      // The uncontended case must not pay for a thread.
      if (!native.tryOfdLock(fd, type)) await waitForLock(path, fd, mode, options)
      return new LockFile(path, mode, fd)
    } catch (error) {
      // An abandoned wait goes on in its thread on a duplicate; that thread closes it, and so releases a late lock.
      closeSync(fd)
      throw error
    }
  }

  /** The lock if it is free now, else undefined. */
  static tryAcquire(path: string, mode: LockMode, options: Pick<LockOptions, 'readOnly'> = {}): LockFile | undefined {
    const fd = openLockFile(path, options.readOnly ?? false)
    try {
      if (native.tryOfdLock(fd, LockType[mode])) return new LockFile(path, mode, fd)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    closeSync(fd)
    return undefined
  }

  /** What the last writer left: up to 64 opaque bytes, in hex; '' when nobody wrote yet. */
  readToken(): string {
    return readTokenFrom(this.#fd)
  }

  /** Marks the guarded data as changed; call before replacing it, so that a crash costs others at most a reload. */
  writeToken(): string {
    const token = newToken()
    writeSync(this.#fd, token, 0, TOKEN_BYTES, 0)
    return token.toString('hex')
  }

  /** Releases. Idempotent. */
  release(): void {
    if (this.#fd < 0) return
    const fd = this.#fd
    this.#fd = -1
    closeSync(fd)
  }
}

/** Runs fn while holding the lock; releases it whatever happens. */
export async function withFileLock<T>(
  path: string,
  mode: LockMode,
  fn: (lock: LockFile) => Promise<T> | T,
  options: LockOptions = {},
): Promise<T> {
  const lock = await LockFile.acquire(path, mode, options)
  try {
    return await fn(lock)
  } finally {
    lock.release()
  }
}

/** The token without taking the lock; '' when the file does not exist or is empty. */
export function peekToken(path: string): string {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | O_CLOEXEC)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return ''
    throw error
  }
  try {
    return readTokenFrom(fd)
  } finally {
    closeSync(fd)
  }
}

function readTokenFrom(fd: number): string {
  const buffer = Buffer.allocUnsafe(TOKEN_BYTES)
  return buffer.toString('hex', 0, readSync(fd, buffer, 0, TOKEN_BYTES, 0))
}

/** The layout Go writers use (time, counter, pid, random); readers only compare. */
function newToken(): Buffer {
  const token = Buffer.allocUnsafe(TOKEN_BYTES)
  token.writeBigUInt64LE(BigInt(Date.now()) * 1_000_000n, 0)
  token.writeBigUInt64LE(tokenCounter++, 8)
  token.writeUInt32LE(process.pid, 16)
  randomBytes(TOKEN_BYTES - 20).copy(token, 20)
  return token
}

function openLockFile(path: string, readOnly: boolean): number {
  if (readOnly) return openSync(path, constants.O_RDONLY | O_CLOEXEC)
  const flags = constants.O_RDWR | constants.O_CREAT | O_CLOEXEC
  try {
    return openSync(path, flags, 0o644)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true, mode: 0o700 })
    return openSync(path, flags, 0o644)
  }
}

/** A command that works may hold a lock long: podman does while it unpacks a layer. One that is stopped will not go on by itself. */
const patience = { totalMs: 600_000, stoppedHolderMs: 20_000 }

async function waitForLock(path: string, fd: number, mode: LockMode, options: LockOptions): Promise<void> {
  const started = performance.now()
  const totalMs = options.timeoutMs ?? patience.totalMs
  const wait = native.waitOfdLock(fd, LockType[mode])
  // Seen by nobody once the wait is given up.
  wait.catch(() => undefined)
  for (;;) {
    const restMs = started + totalMs - performance.now()
    if (await isHeldWithin(wait, Math.min(restMs, patience.stoppedHolderMs), options.signal)) return
    throwIfAborted(options.signal)
    const { findLockHolder } = await import('./lock-holder.ts')
    const holder = findLockHolder(fd, mode)
    if (holder?.isStopped === true || restMs <= patience.stoppedHolderMs) throw timeoutError(path, holder, performance.now() - started)
  }
}

/** True when the lock was taken, false after `timeoutMs` or an abort. */
async function isHeldWithin(wait: Promise<void>, timeoutMs: number, signal: AbortSignal | undefined): Promise<boolean> {
  const { promise: givenUp, resolve } = Promise.withResolvers<boolean>()
  const giveUp = (): void => resolve(false)
  const timer = setTimeout(giveUp, Math.max(0, timeoutMs))
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([wait.then(() => true), givenUp])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

function timeoutError(path: string, holder: LockHolder | undefined, waitedMs: number): TpodError {
  const who = holder === undefined ? 'another process holds it' : `process ${holder.pid} (${holder.command}) holds it${holder.isStopped ? ' and is stopped' : ''}`
  return new TpodError('LOCK_TIMEOUT', `lock ${path}: still busy after ${Math.round(waitedMs)} ms, ${who}`, { remedy: remedyFor(holder) })
}

function remedyFor(holder: LockHolder | undefined): string {
  if (holder === undefined) return 'try again later'
  return holder.isStopped ? `let it go on (kill -CONT ${holder.pid}), or end it (kill -KILL ${holder.pid})` : `wait for process ${holder.pid} to finish, or end it`
}
