/** Per-container records: RUN/tpod/network/containers/ID.json. Written before anything they describe exists. */
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync } from 'node:fs'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import type { NetworkReservation } from './types.ts'

export interface NetworkRecord extends NetworkReservation {
  version: 1
  containerName: string
  /** Its rules are being withdrawn: they must not be put back by somebody who builds the table anew. */
  isLeaving?: boolean
}

export class NetworkRecords {
  readonly directory: string
  readonly claimsDirectory: string
  readonly lockPath: string

  constructor(runDirectory: string) {
    this.directory = `${runDirectory}/containers`
    this.claimsDirectory = `${runDirectory}/claims`
    this.lockPath = `${runDirectory}/lock`
  }

  /** Creates the directories. True when there were none: a fresh boot, or somebody removed the state. */
  create(): boolean {
    if (existsSync(this.claimsDirectory)) return false
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    return mkdirSync(this.claimsDirectory, { recursive: true, mode: 0o700 }) !== undefined
  }

  /** Caller holds the network lock. */
  write(record: NetworkRecord): void {
    writeFileAtomicSync(this.#path(record.containerId), JSON.stringify(record), { sync: false, isLocked: true })
  }

  /** Undefined when there is none, or it cannot be read: the claims tell the rest. */
  read(containerId: string): NetworkRecord | undefined {
    try {
      const record = JSON.parse(readFileSync(this.#path(containerId), 'utf8')) as NetworkRecord
      return Array.isArray(record.interfaces) && Array.isArray(record.ports) ? record : undefined
    } catch (error) {
      if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
      throw error
    }
  }

  /** Success means it is not there. */
  remove(containerId: string): void {
    try {
      unlinkSync(this.#path(containerId))
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }

  listIds(): string[] {
    try {
      return readdirSync(this.directory).filter((name) => name.endsWith('.json') && !name.startsWith('.')).map((name) => name.slice(0, -'.json'.length))
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return []
      throw error
    }
  }

  readAll(): NetworkRecord[] {
    return this.listIds().map((id) => this.read(id)).filter((record) => record !== undefined)
  }

  #path(containerId: string): string {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(containerId)) throw new TpodError('BAD_CONTAINER_ID', `open network record of "${containerId}": not a container id`)
    return `${this.directory}/${containerId}.json`
  }
}
