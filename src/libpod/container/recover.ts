/** Reaps what killed processes left. Called by mutating commands: with nothing to do it costs two directory reads. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import { hasConfig, listContainerIds, observeState, readState } from '../state/container-files.ts'
import { tryWithContainerLock } from '../state/container-lock.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isActive, zeroTime } from '../state/derive-state.ts'
import { bootId } from '../../host/process/liveness.ts'
import { isOwned, listDirectory, listLive, removeMarker } from '../state/live-marker.ts'
import { cleanupLocked } from './cleanup-container.ts'
import { deleteRecords, removalMark } from './delete-records.ts'

/**
 * Half-created and half-removed containers vanish; ended ones are cleaned up, those with --rm removed; starts that nobody
 * finished are undone. What another living process is at work on is left to it. Returns ids that were dealt with.
 */
export async function recover(engine: Engine): Promise<string[]> {
  const done: string[] = []
  for (const id of listDirectory(engine.state.pending)) {
    if (await finishPending(engine, id)) done.push(id)
  }
  for (const id of listLive(engine.state)) {
    if (await reapLive(engine, id)) done.push(id)
  }
  if (isFirstSinceBoot(engine)) done.push(...await sweepAfterBoot(engine))
  await reconcileNetwork(engine)
  return done
}

/** As recover, for commands with business of their own: another container's trouble is not their failure; the next meets it again. */
export async function recoverQuietly(engine: Engine): Promise<void> {
  await recover(engine).catch(() => [])
}

/** The marker is made before a start reserves anything, and goes after the release. */
async function reconcileNetwork(engine: Engine): Promise<void> {
  if (!existsSync(`${engine.store.ownRunDirectory}/network`)) return
  const network = await engine.network()
  await network.reconcile((id) => existsSync(containerPaths(engine.state, id).live))
}

/** The marker of a creation or removal whose process is dead: undo the one unless it was complete, finish the other. */
async function finishPending(engine: Engine, id: string): Promise<boolean> {
  const own = containerPaths(engine.state, id)
  if (!existsSync(own.pending)) return false
  const lock = LockFile.tryAcquire(own.pending, 'write')
  if (lock === undefined) return false
  try {
    // config.json is the last thing that a creation writes; only an explicit removal takes a whole container away.
    const isRemoval = readFileSync(own.pending, 'latin1') === removalMark
    if (isRemoval || !hasConfig(engine.state, id) || (await engine.store.findContainer(id))?.id !== id) {
      await engine.store.deleteContainer(id)
      rmSync(own.directory, { recursive: true, force: true })
    }
    removeMarker(own.pending)
    return true
  } finally {
    lock.release()
  }
}

async function reapLive(engine: Engine, id: string): Promise<boolean> {
  const own = containerPaths(engine.state, id)
  if (isOwned(engine.state, id)) return false
  if (!hasConfig(engine.state, id)) {
    if (existsSync(own.pending)) return false
    await engine.store.deleteContainer(id)
    rmSync(own.directory, { recursive: true, force: true })
    removeMarker(own.live)
    return true
  }
  const seen = observeState(engine.state, id)
  if (isActive(seen.status) && seen.status !== 'initialized') return false
  const result = await tryWithContainerLock(engine.state, id, async ({ config }) => {
    const before = readState(engine.state, id)
    // Nobody holds the lock, so nobody is going to start what is only initialised (or not even that).
    if (!isActive(before.status) || before.status === 'initialized') {
      const { undoStart } = await import('./undo-start.ts')
      await undoStart(engine, config)
    }
    const state = await cleanupLocked(engine, config)
    if (isActive(state.status)) return false
    if (config.spec.remove) await deleteRecords(engine, config, { removeAnonymousVolumes: true })
    return true
  })
  return result ?? false
}

/** RUN may lie on a disk: the boot id in it says whether its markers are of this boot. */
function isFirstSinceBoot(engine: Engine): boolean {
  return !existsSync(`${engine.store.ownRunDirectory}/boot-${bootId()}`)
}

/** After a reboot: containers whose records say they run, directories whose storage record was volatile and is gone, and the store's own halves. */
async function sweepAfterBoot(engine: Engine): Promise<string[]> {
  const { mkdirSync, writeFileSync } = await import('node:fs')
  const done: string[] = []
  const records = new Set((await engine.store.listContainers()).map((record) => record.id))
  for (const id of listContainerIds(engine.state)) {
    const own = containerPaths(engine.state, id)
    if (existsSync(own.pending)) continue
    if (!records.has(id)) {
      await engine.store.deleteContainer(id)
      rmSync(own.directory, { recursive: true, force: true })
      done.push(id)
    } else if (await reapAfterBoot(engine, id)) done.push(id)
  }
  mkdirSync(engine.store.ownRunDirectory, { recursive: true, mode: 0o700 })
  for (const name of listDirectory(engine.store.ownRunDirectory)) {
    if (name.startsWith('boot-')) removeMarker(`${engine.store.ownRunDirectory}/${name}`)
  }
  writeFileSync(`${engine.store.ownRunDirectory}/boot-${bootId()}`, '')
  // After a power cut there may be halves that no marker tells of. Last: what it cannot remove must not bring us here each time.
  await engine.store.recover()
  return done
}

async function reapAfterBoot(engine: Engine, id: string): Promise<boolean> {
  if (readState(engine.state, id).bootId === bootId()) return false
  const result = await tryWithContainerLock(engine.state, id, async ({ config }) => {
    const state = await cleanupLocked(engine, config)
    if (config.spec.remove && !isActive(state.status) && state.startedAt !== zeroTime) {
      await deleteRecords(engine, config, { removeAnonymousVolumes: true })
    }
    return true
  })
  return result ?? false
}
