/**
 * One kind of record (layers, images or containers): a JSON file, its volatile twin, and the lock file that guards both.
 *
 * Reading takes no lock. Files are replaced by rename, so each is whole; a record lives in one file only; and waiting for
 * the lock could last as long as podman unpacks a layer. Writing takes the write lock and starts from a fresh reading.
 */
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'
import { LockFile, peekToken } from '../../host/lock/lock-file.ts'
import type { LockMode } from '../../host/lock/lock-file.ts'
import { formatRecords, loadRecordFile, recordFileIdentity } from './record-file.ts'
import type { LoadedFile, StoredRecord } from './record-file.ts'

export interface RecordTableOptions {
  lockPath: string
  mainPath: string
  /** Where records of volatile containers and their layers live; images have none. */
  volatilePath?: string
}

/** How long a reading without lock is taken as fresh. */
const TRUST_MS = 0.5

/** A consistent reading. Records and lists are shared by all callers and must not be changed. */
export class Snapshot<T extends StoredRecord> {
  readonly main: readonly T[]
  readonly volatile: readonly T[]
  #byId: Map<string, T> | undefined

  constructor(main: readonly T[], volatile: readonly T[]) {
    this.main = main
    this.volatile = volatile
  }

  get all(): readonly T[] {
    return this.volatile.length === 0 ? this.main : [...this.main, ...this.volatile]
  }

  get(id: string): T | undefined {
    // The main file goes last: on a duplicate id its record wins.
    this.#byId ??= new Map([...this.volatile, ...this.main].map(record => [record.id, record]))
    return this.#byId.get(id)
  }

  /** The record that has the name; on a duplicate the later one, as containers/storage decides. */
  findByName(name: string): T | undefined {
    return this.all.findLast(record => record.names?.includes(name))
  }
}

interface Cached<T extends StoredRecord> {
  token: string
  mainIdentity: string
  volatileIdentity: string
  snapshot: Snapshot<T>
}

export class RecordTable<T extends StoredRecord> {
  readonly #options: RecordTableOptions
  #cached: Cached<T> | undefined
  #checkedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: RecordTableOptions) {
    this.#options = options
  }

  get lockPath(): string {
    return this.#options.lockPath
  }

  /** The records as they are now; cheap when nothing changed. Throws STORE_CORRUPT. */
  read(): Snapshot<T> {
    // Sizes of 500 images ask 2,000 times in a row: 15 ms of system calls. No other process starts, writes and tells
    // us so within this window.
    if (this.#cached !== undefined && performance.now() - this.#checkedAtMs < TRUST_MS) return this.#cached.snapshot
    const snapshot = this.#readWithToken(peekToken(this.#options.lockPath))
    this.#checkedAtMs = performance.now()
    return snapshot
  }

  /** Runs fn under the lock without changing anything: 'read' keeps writers out. */
  async locked<R>(mode: LockMode, fn: (snapshot: Snapshot<T>) => Promise<R> | R, options: { signal?: AbortSignal } = {}): Promise<R> {
    const lock = await LockFile.acquire(this.#options.lockPath, mode, options)
    try {
      return await fn(this.#readWithToken(lock.readToken()))
    } finally {
      lock.release()
    }
  }

  /**
   * Runs fn under the write lock. Nothing is written unless fn calls `save()`; what was put after the last save is lost.
   */
  async write<R>(fn: (transaction: Transaction<T>) => Promise<R> | R, options: { signal?: AbortSignal } = {}): Promise<R> {
    const lock = await LockFile.acquire(this.#options.lockPath, 'write', options)
    try {
      return await fn(this.#begin(lock))
    } finally {
      lock.release()
    }
  }

  /** As write, but gives undefined at once when somebody else holds the lock. */
  async tryWrite<R>(fn: (transaction: Transaction<T>) => Promise<R> | R): Promise<R | undefined> {
    const lock = LockFile.tryAcquire(this.#options.lockPath, 'write')
    if (lock === undefined) return undefined
    try {
      return await fn(this.#begin(lock))
    } finally {
      lock.release()
    }
  }

  #begin(lock: LockFile): Transaction<T> {
    const snapshot = this.#readWithToken(lock.readToken())
    return new Transaction(snapshot, this.#options, async (next, changed) => {
      const token = lock.writeToken()
      this.#cached = undefined
      // Volatile records die with the machine anyway: no sync.
      if (changed.volatile) await writeFileAtomic(this.#options.volatilePath!, formatRecords(next.volatile), { sync: false, isLocked: true })
      if (changed.main) await writeFileAtomic(this.#options.mainPath, formatRecords(next.main), { isLocked: true })
      this.#cached = { token, snapshot: next, ...this.#identities() }
    })
  }

  #readWithToken(token: string): Snapshot<T> {
    const cached = this.#cached
    // Token and identities: a reader without lock can come between a writer's token and its rename.
    if (cached?.token === token) {
      const now = this.#identities()
      if (now.mainIdentity === cached.mainIdentity && now.volatileIdentity === cached.volatileIdentity) return cached.snapshot
    }
    const main = loadRecordFile<T>(this.#options.mainPath)
    const volatile: LoadedFile<T> = this.#options.volatilePath
      ? loadRecordFile<T>(this.#options.volatilePath)
      : { records: [], identity: '' }
    const snapshot = new Snapshot(main.records, volatile.records)
    this.#cached = { token, mainIdentity: main.identity, volatileIdentity: volatile.identity, snapshot }
    return snapshot
  }

  #identities(): { mainIdentity: string; volatileIdentity: string } {
    const { mainPath, volatilePath } = this.#options
    return {
      mainIdentity: recordFileIdentity(mainPath),
      volatileIdentity: volatilePath === undefined ? '' : recordFileIdentity(volatilePath),
    }
  }
}

type Save<T extends StoredRecord> = (next: Snapshot<T>, changed: { main: boolean; volatile: boolean }) => Promise<void>

/** Changes to a table while its write lock is held. */
export class Transaction<T extends StoredRecord> {
  #snapshot: Snapshot<T>
  #changedMain = false
  #changedVolatile = false
  readonly #hasVolatile: boolean
  readonly #save: Save<T>

  constructor(snapshot: Snapshot<T>, options: RecordTableOptions, save: Save<T>) {
    this.#snapshot = snapshot
    this.#hasVolatile = options.volatilePath !== undefined
    this.#save = save
  }

  /** The records, changes so far included. */
  get snapshot(): Snapshot<T> {
    return this.#snapshot
  }

  /** Adds the record, or replaces the one of the same id in the file where it stands. */
  put(record: T, where: { volatile: boolean } = { volatile: false }): void {
    const { main, volatile } = this.#snapshot
    if (main.some(each => each.id === record.id)) this.#change({ main: replace(main, record) })
    else if (volatile.some(each => each.id === record.id)) this.#change({ volatile: replace(volatile, record) })
    else if (where.volatile && this.#hasVolatile) this.#change({ volatile: [...volatile, record] })
    else this.#change({ main: [...main, record] })
  }

  remove(id: string): void {
    const { main, volatile } = this.#snapshot
    if (main.some(each => each.id === id)) this.#change({ main: main.filter(each => each.id !== id) })
    if (volatile.some(each => each.id === id)) this.#change({ volatile: volatile.filter(each => each.id !== id) })
  }

  /** Writes what changed: token first, then the files. Durable on return, but for volatile records. */
  async save(): Promise<void> {
    if (!this.#changedMain && !this.#changedVolatile) return
    await this.#save(this.#snapshot, { main: this.#changedMain, volatile: this.#changedVolatile })
    this.#changedMain = false
    this.#changedVolatile = false
  }

  #change(change: { main?: readonly T[]; volatile?: readonly T[] }): void {
    this.#snapshot = new Snapshot(change.main ?? this.#snapshot.main, change.volatile ?? this.#snapshot.volatile)
    this.#changedMain ||= change.main !== undefined
    this.#changedVolatile ||= change.volatile !== undefined
  }
}

function replace<T extends StoredRecord>(records: readonly T[], record: T): readonly T[] {
  return records.map(each => (each.id === record.id ? record : each))
}
