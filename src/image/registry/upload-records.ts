/**
 * Uploads begun and not ended, on disk, so that the next run can go on: one small file for each, named by the hash of
 * repository and blob. Only where it goes on is kept; the registry says how far it has come.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../../host/fs/write-file-atomic.ts'

export interface UploadRecords {
  /** `repository` = host/path; `key` names the blob's bytes. */
  find(repository: string, key: string): Promise<URL | undefined>
  put(repository: string, key: string, location: URL): Promise<void>
  remove(repository: string, key: string): Promise<void>
}

interface UploadRecord {
  repository: string
  key: string
  location: string
}

/** Registries drop what lies for so long. */
const maxAgeMs = 7 * 24 * 3600 * 1000
const maxRecordBytes = 16 * 1024

/** `directory` is created with the first record. Records never make a push fail: a disk that is full or read-only has none. */
export function uploadRecords(directory: string): UploadRecords {
  const pathOf = (repository: string, key: string): string => join(directory, `${createHash('sha256').update(`${repository}\n${key}`).digest('hex')}.json`)
  let pruned: Promise<void> | undefined
  return {
    async find(repository, key) {
      await (pruned ??= prune(directory))
      const record = await readRecord(pathOf(repository, key))
      if (record === undefined || record.repository !== repository || record.key !== key || !URL.canParse(record.location)) return undefined
      const location = new URL(record.location)
      return location.protocol === 'https:' || location.protocol === 'http:' ? location : undefined
    },
    async put(repository, key, location) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        // The address may carry the right to write there. It need not outlive a power cut.
        await writeFileAtomic(pathOf(repository, key), JSON.stringify({ repository, key, location: location.href } satisfies UploadRecord), { mode: 0o600, sync: false })
      } catch {
        // Without it the next run begins anew.
      }
    },
    async remove(repository, key) {
      await unlink(pathOf(repository, key)).catch(() => {})
    },
  }
}

async function readRecord(path: string): Promise<UploadRecord | undefined> {
  try {
    if ((await stat(path)).size > maxRecordBytes) return undefined
    const json = JSON.parse(await readFile(path, 'utf8')) as Partial<UploadRecord> | null
    if (typeof json?.repository !== 'string' || typeof json.key !== 'string' || typeof json.location !== 'string') return undefined
    return { repository: json.repository, key: json.key, location: json.location }
  } catch {
    return undefined
  }
}

async function prune(directory: string): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    const path = join(directory, name)
    const age = await stat(path).then(({ mtimeMs }) => Date.now() - mtimeMs, () => 0)
    if (age > maxAgeMs) await unlink(path).catch(() => {})
  }
}
