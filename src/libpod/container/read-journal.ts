/** Logs that conmon wrote to the journal (--log-driver journald), read back with journalctl. */
import { setTimeout as sleep } from 'node:timers/promises'
import { TpodError } from '../../errors/tpod-error.ts'
import { runCommand } from '../../host/process/run.ts'
import type { LogRecord, ReadLogOptions } from './read-log.ts'

const pollMs = 250

/** Fields as conmon sets them; MESSAGE is an array of bytes where it is not plain text. */
interface JournalEntry {
  __CURSOR: string
  __REALTIME_TIMESTAMP: string
  PRIORITY?: string
  MESSAGE?: string | number[] | null
  CONTAINER_PARTIAL_MESSAGE?: string
}

/** As readLog, for the container `id`. Throws HELPER_MISSING without journalctl, NO_LOG when the journal cannot be read. */
export async function* readJournal(id: string, options: ReadLogOptions = {}): AsyncGenerator<LogRecord> {
  let hasEnded = options.follow === undefined
  options.follow?.then(() => { hasEnded = true }, () => { hasEnded = true })
  let cursor: string | undefined
  for (;;) {
    // Taken before reading, so that nothing written until then is lost.
    const wasEnded = hasEnded
    const entries = await readEntries(id, cursor, options)
    for (const entry of entries) yield toRecord(entry)
    cursor = entries.at(-1)?.__CURSOR ?? cursor
    if (wasEnded || options.signal?.aborted === true || (options.untilMs !== undefined && Date.now() > options.untilMs)) return
    await Promise.race([sleep(pollMs), options.follow])
  }
}

async function readEntries(id: string, cursor: string | undefined, options: ReadLogOptions): Promise<JournalEntry[]> {
  const args = ['--quiet', '--all', '--output=json', '--no-pager']
  if (options.sinceMs !== undefined) args.push(`--since=@${options.sinceMs / 1000}`)
  if (options.untilMs !== undefined) args.push(`--until=@${options.untilMs / 1000}`)
  if (cursor !== undefined) args.push(`--after-cursor=${cursor}`)
  const result = await runCommand('journalctl', [...args, `CONTAINER_ID_FULL=${id}`])
  const complaint = result.stderr.toString().trim()
  if (result.exitCode !== 0 && complaint !== '') throw new TpodError('NO_LOG', `read the journal of container ${id.slice(0, 12)}: ${complaint}`)
  const entries = result.stdout.toString().split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as JournalEntry)
  return cursor === undefined ? lastLines(entries, options.tail) : entries
}

/** Parts of a long line count once. */
function lastLines(entries: JournalEntry[], tail: number | undefined): JournalEntry[] {
  if (tail === undefined || tail < 0) return entries
  let lines = 0
  for (let at = entries.length - 1; at >= 0; at--) {
    const isPart = entries[at]?.CONTAINER_PARTIAL_MESSAGE === 'true'
    if ((!isPart || at === entries.length - 1) && ++lines > tail) return entries.slice(at + 1)
  }
  return entries
}

function toRecord(entry: JournalEntry): LogRecord {
  const { MESSAGE: message } = entry
  return {
    time: formatMicroseconds(entry.__REALTIME_TIMESTAMP),
    // conmon's priorities: 6 is standard output, 3 standard error.
    stream: entry.PRIORITY === '3' ? 'stderr' : 'stdout',
    // A full line comes with its newline.
    text: (Array.isArray(message) ? Buffer.from(message).toString('utf8') : message ?? '').replace(/\n$/, ''),
    isPartial: entry.CONTAINER_PARTIAL_MESSAGE === 'true',
  }
}

/** RFC 3339 with nanoseconds, as k8s-file logs have it. */
function formatMicroseconds(text: string): string {
  const date = new Date(Math.floor(Number(text) / 1000))
  return `${date.toISOString().slice(0, 19)}.${text.slice(-6)}000+00:00`
}
