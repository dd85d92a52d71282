/** Reaps what killed processes left. Called by mutating commands: with nothing to do it costs two directory reads. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import { hasConfig, listContainerIds, observeState, readConfig, readState, unlessDamaged } from '../state/container-files.ts'
import { tryWithContainerLock } from '../state/container-lock.ts'
import { containerPaths } from '../state/container-paths.ts'
import { isActive } from '../state/derive-state.ts'
import { bootId } from '../../host/process/liveness.ts'
import { isOwned, listDirectory, listLive, removeMarker } from '../state/live-marker.ts'
import { cleanupAndRemove } from './cleanup-container.ts'
import { removalMark, removalWithVolumesMark } from './delete-records.ts'

/**
 * Half-created and half-removed containers vanish; ended ones are cleaned up, those with --rm removed; starts that nobody
 * finished are undone. What another living process is at work on is left to it. Returns ids that were dealt with; what failed for one
 * container is thrown after all the others had their turn.
 */
export async function recover(engine: Engine): Promise<string[]> {
  const errors: unknown[] = []
  const done = [
    ...await dealWithEach(listDirectory(engine.state.pending), errors, (id) => finishPending(engine, id)),
    ...await dealWithEach(listLive(engine.state), errors, (id) => reapLive(engine, id)),
  ]
  if (isFirstSinceBoot(engine)) done.push(...await sweepAfterBoot(engine, errors))
  await reconcileNetwork(engine)
  if (errors.length > 0) throw errors[0]
  return done
}

/** One container that resists (damaged, busy, on a failing disk) does not keep the others from being dealt with. */
async function dealWithEach(ids: readonly string[], errors: unknown[], action: (id: string) => Promise<boolean>): Promise<string[]> {
  const done: string[] = []
  for (const id of ids) {
    try {
      if (await action(id)) done.push(id)
    } catch (error) {
      errors.push(error)
    }
  }
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
export async function finishPending(engine: Engine, id: string): Promise<boolean> {
  const own = containerPaths(engine.state, id)
  if (!existsSync(own.pending)) return false
  const lock = LockFile.tryAcquire(own.pending, 'write')
  if (lock === undefined) return false
  // Only tried: the order is container lock, then marker. Whoever holds it is at work on the container.
  const containerLock = existsSync(own.directory) ? LockFile.tryAcquire(own.lock, 'write') : undefined
  try {
    if (containerLock === undefined && existsSync(own.directory)) return false
    // config.json is the last thing that a creation writes; only an explicit removal takes a whole container away.
    const mark = readFileSync(own.pending, 'latin1')
    const isRemoval = mark === removalMark || mark === removalWithVolumesMark
    // Somebody was quick to start what was about to be removed: then it stays.
    const runs = isActive(unlessDamaged(() => observeState(engine.state, id))?.status ?? 'created')
    if (mark === removalWithVolumesMark && !runs) await finishVolumes(engine, id)
    if (runs) removeMarker(own.pending)
    else if (isRemoval || !hasConfig(engine.state, id) || (await engine.store.findContainer(id))?.id !== id) {
      await engine.store.deleteContainer(id)
      rmSync(own.directory, { recursive: true, force: true })
      // A living foreground process has yet to read it.
      if (!isOwned(engine.state, id)) removeMarker(own.exit)
    }
    removeMarker(own.pending)
    return true
  } finally {
    containerLock?.release()
    lock.release()
  }
}

async function finishVolumes(engine: Engine, id: string): Promise<void> {
  const config = unlessDamaged(() => readConfig(engine.state, id))
  if (config === undefined) return
  const { removeAnonymousVolumes } = await import('./container-volumes.ts')
  await removeAnonymousVolumes(engine, config)
}

async function reapLive(engine: Engine, id: string): Promise<boolean> {
  const own = containerPaths(engine.state, id)
  if (isOwned(engine.state, id)) return false
  if (!hasConfig(engine.state, id)) {
    if (existsSync(own.pending)) return false
    await engine.store.deleteContainer(id)
    rmSync(own.directory, { recursive: true, force: true })
    removeMarker(own.exit)
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
    return !isActive((await cleanupAndRemove(engine, config)).status)
  })
  return result ?? false
}

/** RUN may lie on a disk: the boot id in it says whether its markers are of this boot. */
function isFirstSinceBoot(engine: Engine): boolean {
  return !existsSync(`${engine.store.ownRunDirectory}/boot-${bootId()}`)
}

/** After a reboot: containers whose records say they run, directories whose storage record was volatile and is gone, and the store's own halves. */
async function sweepAfterBoot(engine: Engine, errors: unknown[]): Promise<string[]> {
  const { mkdirSync, writeFileSync } = await import('node:fs')
  const { setTimeout: sleep } = await import('node:timers/promises')
  // Who is being created meanwhile has a marker, and a record before it goes: so directories, markers, records in this order.
  const settled = listContainerIds(engine.state).filter((id) => !existsSync(containerPaths(engine.state, id).pending))
  // The store trusts what it read a moment ago.
  await sleep(10)
  const records = new Set((await engine.store.listContainers()).map((record) => record.id))
  const done = await dealWithEach(settled, errors, async (id) => {
    const own = containerPaths(engine.state, id)
    if (records.has(id)) return reapAfterBoot(engine, id)
    // Volatile, so with --rm.
    await finishVolumes(engine, id)
    await engine.store.deleteContainer(id)
    rmSync(own.directory, { recursive: true, force: true })
    return true
  })
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
    await cleanupAndRemove(engine, config)
    return true
  })
  return result ?? false
}
