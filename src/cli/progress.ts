/**
 * Draws a pull from its typed events, on standard error: lines that are redrawn on a terminal, one line per finished blob
 * elsewhere, in podman's words.
 */
import type { PullProgress } from '../image/progress.ts'
import { writeError } from './output.ts'

interface Blob {
  kind: 'config' | 'layer'
  digest: string
  state: string
  bytes: number
  total: number
}

const redrawIntervalMs = 100
const barWidth = 30

export interface ProgressView {
  onProgress: (event: PullProgress) => void
  /** Leaves the last state on the screen; idempotent. */
  finish(): void
}

export interface ProgressOptions {
  /** Standard error is a terminal of that many columns; absent: it is none. */
  columns?: number
  /** Nothing is drawn. */
  quiet?: boolean
}

export function pullProgress(options: ProgressOptions): ProgressView {
  if (options.quiet === true) return { onProgress: () => undefined, finish: () => undefined }
  return options.columns === undefined ? plainProgress() : barProgress(options.columns)
}

function headline(event: PullProgress): string | undefined {
  const line = headlineText(event)
  // Registries and images have a say in these.
  return line?.replaceAll(/\p{Cc}+/gu, ' ')
}

function headlineText(event: PullProgress): string | undefined {
  if (event.type === 'trying') return `Trying to pull ${event.reference}...`
  if (event.type === 'resolved') return event.reason
  if (event.type === 'retry') return `Retrying ${event.what} in ${Math.ceil(event.delayMs / 1000)} s: ${event.why.split('\n', 1)[0]}`
  if (event.type === 'warning') return event.message
  if (event.type === 'step') return event.text
  if (event.type === 'manifest') return 'Writing manifest to image destination'
  return undefined
}

function blobLabel(blob: Pick<Blob, 'kind' | 'digest'>): string {
  return `Copying ${blob.kind === 'config' ? 'config' : 'blob'} ${blob.digest.replace(/^sha\d+:/, '').slice(0, 12)}`
}

function plainProgress(): ProgressView {
  const shown = new Set<string>()
  const onProgress = (event: PullProgress): void => {
    const line = headline(event)
    if (line !== undefined) return writeError(`${line}\n`)
    if (event.type !== 'blob' || shown.has(event.digest)) return
    if (event.state !== 'done' && event.state !== 'present') return
    shown.add(event.digest)
    writeError(`${blobLabel(event)} ${event.state === 'present' ? 'skipped: already exists' : 'done'}\n`)
  }
  return { onProgress, finish: () => undefined }
}

/**
 * What is finished is printed for good, in the order in which it ends; below it bars of what is under way are drawn again
 * and again. So the drawn part is as short as the number of blobs in flight, however many layers an image has.
 */
function barProgress(columns: number): ProgressView {
  const blobs = new Map<string, Blob>()
  let drawn = 0
  let lastDraw = 0
  const redraw = (above: string): void => {
    const lines = liveLines(blobs, columns)
    writeError(`${drawn === 0 ? '' : `\x1b[${drawn}A\x1b[J`}${above}${lines.map((line) => `${line}\n`).join('')}`)
    drawn = lines.length
    lastDraw = Date.now()
  }
  const onProgress = (event: PullProgress): void => {
    const line = headline(event)
    if (line !== undefined) return redraw(`${line}\n`)
    if (event.type !== 'blob') return
    const former = blobs.get(event.digest)
    // Equal layers of one image are one line; of another image after it they are new.
    if (former?.state === event.state && isOver(event.state)) return
    blobs.set(event.digest, event)
    if (isOver(event.state)) return redraw(`${blobLine(event, columns)}\n`)
    if (former?.state !== event.state || Date.now() - lastDraw >= redrawIntervalMs) redraw('')
  }
  const finish = (): void => {
    // What did not end stays as it was: it tells where the failure came.
    if (drawn > 0) redraw('')
    blobs.clear()
    drawn = 0
  }
  return { onProgress, finish }
}

function isOver(state: string): boolean {
  return state === 'done' || state === 'present'
}

function liveLines(blobs: ReadonlyMap<string, Blob>, columns: number): string[] {
  const open = [...blobs.values()].filter(({ state }) => !isOver(state))
  const waiting = open.filter(({ state }) => state === 'waiting').length
  const lines = open.filter(({ state }) => state !== 'waiting').map((blob) => blobLine(blob, columns))
  return waiting === 0 ? lines : [...lines, `${waiting} more ${waiting === 1 ? 'blob' : 'blobs'} waiting`.slice(0, columns - 1)]
}

function blobLine(blob: Blob, columns: number): string {
  const label = blobLabel(blob)
  if (blob.state === 'done') return `${label} done`
  if (blob.state === 'present') return `${label} skipped: already exists`
  const share = blob.total > 0 ? Math.min(1, blob.bytes / blob.total) : 0
  const filled = Math.round(share * barWidth)
  const bar = `[${'='.repeat(filled)}${filled < barWidth ? '>' : ''}${'-'.repeat(Math.max(0, barWidth - filled - 1))}]`
  const figures = `${megabytes(blob.bytes)} / ${megabytes(blob.total)}`
  const words = ({ waiting: 'waiting', downloaded: 'unpacking', committing: 'storing', failed: 'failed' } as Record<string, string>)[blob.state]
  return `${label} ${bar} ${words ?? figures}`.slice(0, Math.max(20, columns - 1))
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)}MiB`
}
