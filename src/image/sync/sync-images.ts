/** Copies all images of a source below a destination: skopeo-sync(1), and beyond it parallel copies and a report. */
import { mkdir, readdir, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, posix } from 'node:path'
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { copyBetween, type CopyBetweenOptions } from '../copy/copy-between.ts'
import type { TransportContext } from '../types.ts'
import { mapParallel } from './choose-tags.ts'
import { familiarName, planSync } from './plan-sync.ts'
import type { SyncEvent, SyncImage, SyncPlan, SyncRequest, SyncResult } from './types.ts'

/**
 * Throws SYNC_FAILED after a failed image: at once, or with `keepGoing` once all have been tried; what was copied stays.
 * A directory that exists already is never written to, unless a killed sync left it without a manifest. The report is written in any case, also when the sync is interrupted.
 */
export async function syncImages(context: TransportContext, request: SyncRequest): Promise<SyncResult> {
  checkKinds(request)
  const plan = await planSync(context, request)
  const run: SyncRun = { context, request, result: { sources: plan.sources, dryRun: request.dryRun === true, synced: [], failed: [], skipped: [] }, failure: undefined }
  if (request.dryRun === true) log(run, 'warning', 'Running in dry-run mode')
  try {
    await copyAll(run, plan)
  } finally {
    await writeResults(run)
  }
  const { result, failure } = run
  if (failure !== undefined && request.keepGoing !== true) throw failure
  log(run, 'info', `${request.dryRun === true ? 'Would have synced' : 'Synced'} ${result.synced.length} images from ${result.sources} sources`)
  if (result.failed.length > 0) throw new TpodError('SYNC_FAILED', 'Sync failed due to previous reported error(s) for one or more images')
  return result
}

interface SyncRun {
  context: TransportContext
  request: SyncRequest
  result: SyncResult
  /** The first one. */
  failure: unknown
}

function checkKinds({ sourceKind, destinationKind }: SyncRequest): void {
  if (sourceKind === 'dir' && destinationKind === 'dir') {
    throw new TpodError('BAD_FLAG', "sync from 'dir' to 'dir' not implemented, consider using rsync instead")
  }
}

async function copyAll(run: SyncRun, { images }: SyncPlan): Promise<void> {
  const { request, result } = run
  const targets = images.map((image) => targetOf(image, request))
  // Two images of one name: the later one counts, so they must not race.
  const parallel = new Set(targets).size < targets.length ? 1 : request.parallel ?? 1
  const synced: SyncResult['synced'] = []
  await mapParallel(images, parallel, async (image, index) => {
    if (run.failure !== undefined && request.keepGoing !== true) {
      result.skipped.push({ from: image.shownFrom })
      return
    }
    const target = targets[index] as string
    try {
      synced[index] = await copyOne(run, image, target)
    } catch (error) {
      if (request.signal?.aborted === true) throw error
      run.failure ??= fail(run, image, target, error)
    }
  })
  result.synced.push(...synced.filter((entry) => entry !== undefined))
}

async function copyOne(run: SyncRun, image: SyncImage, target: string): Promise<SyncResult['synced'][number]> {
  const { context, request } = run
  const to = `${request.destinationKind}:${request.destinationKind === 'docker' ? '//' : ''}${target}`
  const shownTo = request.destinationKind === 'docker' ? `docker://${familiarName(target)}` : to
  const isNew = request.destinationKind === 'dir' && await claimDirectory(target, request.dryRun === true)
  log(run, 'info', `${request.dryRun === true ? 'Would have copied' : 'Copying'} image ref ${image.place}`, { from: image.shownFrom, to: shownTo })
  if (request.dryRun === true) return { from: image.shownFrom, to: shownTo }
  try {
    const { findPresent } = await import('./find-present.ts')
    const present = await findPresent(context, image, target, request)
    if (present !== undefined) log(run, 'info', `Image ref ${image.place} is there already`, { to: shownTo })
    const { manifest } = present === undefined ? await copyBetween(context, image.from, to, copyOptions(request, image)) : { manifest: present }
    return { from: image.shownFrom, to: shownTo, digest: manifest.digest }
  } catch (error) {
    // Else the next run would refuse to write there.
    if (isNew) await rmdir(target).catch(() => undefined)
    throw error
  }
}

function copyOptions(request: SyncRequest, image: SyncImage): CopyBetweenOptions {
  const { source, destination, all, format, preserveDigests, removeSignatures, signing, signContext, signal, onProgress } = request
  const given = { destination, all, format, preserveDigests, removeSignatures, signing, signContext, signal, onProgress }
  return { ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)), source: { ...source, ...image.endpoint } }
}

function targetOf(image: SyncImage, { to, scoped, appendSuffix = '' }: SyncRequest): string {
  const suffix = scoped === true ? image.suffix : posix.basename(image.suffix)
  return join(to, suffix) + appendSuffix
}

/** Makes the directory of one image. Throws DESTINATION_EXISTS. */
async function claimDirectory(path: string, isDryRun: boolean): Promise<boolean> {
  try {
    if (isDryRun) {
      await stat(path)
      throw refusal(path)
    }
    await mkdir(dirname(path), { recursive: true })
    await mkdir(path)
    return true
  } catch (cause) {
    if (cause instanceof TpodError) throw cause
    if (isDryRun && errorCode(cause) === 'ENOENT') return false
    if (errorCode(cause) === 'EEXIST') {
      if (await takeOverLeftover(path)) return true
      throw refusal(path)
    }
    throw new TpodError('DESTINATION_UNUSABLE', `Error creating directory for image ${path}: ${errorMessage(cause)}`, { cause })
  }
}

/** A sync that was killed leaves blobs without a manifest: the next one goes on there. One that is at work keeps others out by its lock. */
async function takeOverLeftover(path: string): Promise<boolean> {
  const names = await readdir(path).catch(() => ['unreadable'])
  return names.every((name) => /^(?:version|[0-9a-f]{64}(?:\.manifest\.json|-signature-\d+)?|signature-\d+|\.tmp-[\w.-]+)$/.test(name))
}

function refusal(path: string): TpodError {
  return new TpodError('DESTINATION_EXISTS', `Refusing to overwrite destination directory ${JSON.stringify(path)}`, { remedy: `remove ${basename(path)}, or sync to another directory` })
}

function fail(run: SyncRun, image: SyncImage, to: string, cause: unknown): unknown {
  const { request, result } = run
  const code = cause instanceof TpodError ? cause.code : 'ERROR'
  result.failed.push({ from: image.shownFrom, to, code, error: errorMessage(cause) })
  if (code === 'DESTINATION_EXISTS') {
    if (request.keepGoing === true) log(run, 'error', errorMessage(cause))
    return cause
  }
  if (request.keepGoing === true) log(run, 'error', `Error copying ref ${JSON.stringify(image.shownFrom)}`, { error: errorMessage(cause) })
  return new TpodError(code, `Error copying ref ${JSON.stringify(image.shownFrom)}: ${errorMessage(cause)}`, { cause, ...(cause instanceof TpodError && cause.remedy !== undefined ? { remedy: cause.remedy } : {}) })
}

async function writeResults({ request, result }: SyncRun): Promise<void> {
  if (request.digestFile !== undefined && request.dryRun !== true) {
    await writeResult(request.digestFile, result.synced.map(({ digest, to }) => `${digest} ${to}\n`).join(''))
  }
  if (request.reportFile !== undefined) await writeResult(request.reportFile, `${JSON.stringify(result, null, 2)}\n`)
}

/** Not by renaming: the user may have named a pipe or /dev/stdout. */
async function writeResult(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw new TpodError('RESULT_FILE', `write ${path}: ${errorMessage(cause)}`, { cause })
  }
}

function log({ request }: SyncRun, level: SyncEvent['level'], message: string, fields: Record<string, string> = {}): void {
  request.onEvent?.({ level, message, fields })
}
