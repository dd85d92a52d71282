/**
 * k8s-file logs as conmon writes them: `TIME STREAM F|P text`, P for a part whose line goes on in the next record of that
 * stream. `readLog` yields records in file order, optionally following until the container has ended and the file is drained.
 */
import { closeSync, fstatSync, openSync, readSync, statSync, watch } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'

export interface LogRecord {
  /** RFC 3339 with nanoseconds and the writer's offset. */
  time: string
  stream: 'stdout' | 'stderr'
  text: string
  /** The line goes on: no newline follows. */
  isPartial: boolean
}

export interface ReadLogOptions {
  /** Milliseconds since the epoch, inclusive. */
  sinceMs?: number
  untilMs?: number
  /** Last n lines; undefined or negative: all. */
  tail?: number
  /** Resolves when no more will be written; absent: read what is there. */
  follow?: Promise<unknown> | undefined
  signal?: AbortSignal
}

const chunkBytes = 65_536

/** A missing file is an empty log. Throws the abort reason never: it just ends. */
export async function* readLog(path: string, options: ReadLogOptions = {}): AsyncGenerator<LogRecord> {
  let file = openFile(path)
  let hasEnded = options.follow === undefined
  const wake = wakeOn(path, options)
  options.follow?.then(() => { hasEnded = true }, () => { hasEnded = true }).finally(() => wake.now())
  const parser = new LogParser()
  let offset = file === undefined ? 0 : tailOffset(file.fd, options.tail)
  try {
    while (options.signal?.aborted !== true) {
      // Taken before reading: what was written until then is read below, so nothing is lost at the end.
      const wasEnded = hasEnded
      file ??= openFile(path)
      if (file !== undefined) {
        for (;;) {
          const chunk = readChunk(file.fd, offset)
          if (chunk.length === 0) break
          offset += chunk.length
          for (const record of parser.feed(chunk)) {
            const place = compareTime(record, options)
            if (place === 'after') return
            if (place === 'within') yield record
          }
        }
        // conmon renames the log away when it reaches --log-size-max, and starts a new one.
        if (wasRotated(path, file.inode)) {
          closeSync(file.fd)
          file = undefined
          offset = 0
          continue
        }
      }
      if (wasEnded || isPast(options.untilMs)) break
      await wake.wait()
    }
  } finally {
    wake.close()
    if (file !== undefined) closeSync(file.fd)
  }
}

/** Splits bytes into records; keeps an incomplete one for the next chunk. */
class LogParser {
  #rest: Buffer = Buffer.alloc(0)

  feed(chunk: Buffer): LogRecord[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const records: LogRecord[] = []
    let start = 0
    for (let newline = bytes.indexOf(10); newline >= 0; newline = bytes.indexOf(10, start)) {
      const record = parseLogLine(bytes.toString('utf8', start, newline))
      if (record !== undefined) records.push(record)
      start = newline + 1
    }
    this.#rest = Buffer.from(bytes.subarray(start))
    return records
  }
}

/** Undefined for a line that is no record (a truncated file, foreign text). */
export function parseLogLine(line: string): LogRecord | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP])(?: |$)/.exec(line)
  if (match === null) return undefined
  const [head, time, stream, tag] = match as unknown as [string, string, 'stdout' | 'stderr', string]
  return { time, stream, text: line.slice(head.length), isPartial: tag === 'P' }
}

function compareTime(record: LogRecord, options: ReadLogOptions): 'before' | 'within' | 'after' {
  if (options.sinceMs === undefined && options.untilMs === undefined) return 'within'
  const time = Date.parse(record.time)
  if (options.sinceMs !== undefined && time < options.sinceMs) return 'before'
  return options.untilMs !== undefined && time > options.untilMs ? 'after' : 'within'
}

function isPast(untilMs: number | undefined): boolean {
  return untilMs !== undefined && Date.now() > untilMs
}

function openFile(path: string): { fd: number; inode: number } | undefined {
  try {
    const fd = openSync(path, 'r')
    return { fd, inode: fstatSync(fd).ino }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function wasRotated(path: string, inode: number): boolean {
  try {
    return statSync(path).ino !== inode
  } catch {
    // Removed with its container, or in the middle of the rename: the old one is drained either way.
    return false
  }
}

function readChunk(fd: number, offset: number): Buffer {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  return buffer.subarray(0, readSync(fd, buffer, 0, chunkBytes, offset))
}

/** Where the last `tail` lines begin, read backwards; parts of a long line count once. */
function tailOffset(fd: number, tail: number | undefined): number {
  const size = fstatSync(fd).size
  if (tail === undefined || tail < 0) return 0
  if (tail === 0) return size
  let text = Buffer.alloc(0)
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - chunkBytes)
    const buffer = Buffer.allocUnsafe(end - start)
    readSync(fd, buffer, 0, end - start, start)
    text = Buffer.concat([buffer, text])
    end = start
    const found = findTail(text, start === 0, tail)
    if (found !== undefined) return start + found
  }
  return 0
}

/** Offset in text of the first of the last `tail` full lines (each may consist of several records). */
function findTail(text: Buffer, isWhole: boolean, tail: number): number | undefined {
  let lines = 0
  let lineStart: number | undefined
  let end = text.length
  while (end > 0) {
    const start = text.lastIndexOf(10, end - 2) + 1
    if (start === 0 && !isWhole) return undefined
    const record = parseLogLine(text.toString('utf8', start, end).trimEnd())
    // A full record, or a partial one at the very end of the file, closes a line.
    if (record !== undefined && (!record.isPartial || end === text.length)) {
      if (lines === tail) return lineStart
      lines++
    }
    lineStart = start
    end = start
  }
  return isWhole ? 0 : undefined
}

/** inotify with a slow timer behind it: a watch can miss a file that is replaced while it is set up. */
function wakeOn(path: string, options: ReadLogOptions): { wait(): Promise<void>; now(): void; close(): void } {
  if (options.follow === undefined) return { wait: async () => undefined, now: () => undefined, close: () => undefined }
  let pending = Promise.withResolvers<void>()
  const now = (): void => pending.resolve()
  let watcher: ReturnType<typeof watch> | undefined
  try {
    watcher = watch(path.slice(0, path.lastIndexOf('/')), now)
    watcher.on('error', () => undefined)
  } catch {
    // No directory any more, or no inotify instances left: the timer serves.
  }
  const timer = setInterval(now, 250)
  options.signal?.addEventListener('abort', now, { once: true })
  return {
    wait: async () => {
      await pending.promise
      pending = Promise.withResolvers<void>()
    },
    now,
    close: () => {
      watcher?.close()
      clearInterval(timer)
      options.signal?.removeEventListener('abort', now)
    },
  }
}
