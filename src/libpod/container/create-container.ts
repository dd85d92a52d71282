import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { LockFile } from '../../host/lock/lock-file.ts'
import type { Engine } from '../engine.ts'
import type { ContainerRequest } from '../container-request.ts'
import type { ContainerConfig, ContainerSpec } from '../types.ts'
import { writeConfig } from '../state/container-files.ts'
import { containerPaths } from '../state/container-paths.ts'
import { ownMarker, type RecordMetadata } from '../state/find-container.ts'
import { removeMarker } from '../state/live-marker.ts'
import { checkContainerName } from './container-name.ts'
import { removalMark } from './delete-records.ts'
import { provideImage, type ProvidedImage, type ProvideImageOptions } from './provide-image.ts'

export interface CreateOptions {
  /** argv of the command that asked, for inspect; default none. */
  createCommand?: readonly string[]
  /** How an image that is not here is pulled; `policy: 'never'` does not pull. */
  pull?: ProvideImageOptions
  /** Removes a container that has the name, also a running one. */
  replace?: boolean
  signal?: AbortSignal
}

/**
 * Finds or pulls the image, settles the configuration and records the container; nothing runs yet. Returns when it is complete:
 * a kill -9 before that leaves at most what the next command removes, and the name is free.
 * Throws NO_SUCH_IMAGE and what a pull throws, CONTAINER_NAME_IN_USE, and what resolving the configuration throws.
 */
export async function createContainer(engine: Engine, request: ContainerRequest | ContainerSpec, options: CreateOptions = {}): Promise<ContainerConfig> {
  const { config, settle } = await createToRun(engine, request, options, 'stays')
  settle()
  return config
}

export interface UnsettledContainer {
  config: ContainerConfig
  /** Ends the creation: from here on the container outlives this process. Idempotent. */
  settle: () => void
}

/**
 * As createContainer, for who goes on to start it: until `settle` a death of this process takes a container that is asked to be
 * removed at its end away again, whole as it is. Call it when the live marker stands, and before anything that deletes the container.
 */
export async function createToRun(
  engine: Engine, request: ContainerRequest | ContainerSpec, options: CreateOptions = {}, ifKilled: 'stays' | 'goes' = 'goes',
): Promise<UnsettledContainer> {
  const spec = await wholeSpec(engine, request)
  if (spec.name !== undefined) checkContainerName(spec.name)
  if (spec.name !== undefined && options.replace === true) await removeHolder(engine, spec.name)
  for (let race = 1; ; race++) {
    const image = await provideImage(engine, spec.rawImageName, options.pull ?? {}, options.signal)
    try {
      return await createFromImage(engine, spec, image, { ...options, goesIfKilled: ifKilled === 'goes' && spec.remove })
    } catch (error) {
      // Another process removed the image between our finding it and our holding on to it: find or pull it again.
      if (!imageVanished.has(errorCode(error) ?? '') || race >= maxImageRaces) throw error
    }
  }
}

const imageVanished: ReadonlySet<string> = new Set(['NO_SUCH_IMAGE', 'NO_SUCH_IMAGE_DATA', 'LAYER_PARENT_GONE'])
const maxImageRaces = 8

async function createFromImage(engine: Engine, spec: ContainerSpec, image: ProvidedImage, options: CreateOptions & { goesIfKilled: boolean }): Promise<UnsettledContainer> {
  const { resolveContainer } = await import('./resolve-container.ts')
  const config = await resolveContainer(engine, spec, { id: randomBytes(32).toString('hex'), image, createCommand: [...options.createCommand ?? []] })
  try {
    return await recordContainer(engine, config, options.goesIfKilled)
  } catch (error) {
    // The name may be held by what a killed tpod left.
    if (errorCode(error) !== 'CONTAINER_NAME_IN_USE') throw error
    const { recoverQuietly } = await import('./recover.ts')
    await recoverQuietly(engine)
    return recordContainer(engine, config, options.goesIfKilled)
  }
}

async function wholeSpec(engine: Engine, request: ContainerRequest | ContainerSpec): Promise<ContainerSpec> {
  if ('rawImageName' in request) return request
  const { containerSpec } = await import('../container-request.ts')
  return containerSpec(engine.config, request)
}

/**
 * Marker, storage record, config.json, marker away: whoever finds a marker without a living owner knows that the creation was
 * broken off (recover). config.json is written last, so a container that has one is whole.
 */
async function recordContainer(engine: Engine, config: ContainerConfig, goesIfKilled: boolean): Promise<UnsettledContainer> {
  const own = containerPaths(engine.state, config.id)
  const pending = await LockFile.acquire(own.pending, 'write')
  let isSettled = false
  const settle = (): void => {
    if (isSettled) return
    isSettled = true
    removeMarker(own.pending)
    pending.release()
  }
  try {
    if (goesIfKilled) writeFileSync(own.pending, removalMark)
    mkdirSync(own.directory, { recursive: true, mode: 0o700 })
    const metadata: RecordMetadata = {
      'image-name': config.imageName, 'image-id': config.imageId, name: config.name,
      'created-at': Math.floor(Date.parse(config.created) / 1000), 'created-by': ownMarker,
    }
    await engine.store.createContainer({
      id: config.id, names: [config.name], imageId: config.imageId, metadata: JSON.stringify(metadata), volatile: config.spec.remove,
    })
    await writeConfig(engine.state, config)
    if (config.spec.cidfile !== undefined) writeIdFile(config.spec.cidfile, config.id)
    return { config, settle }
  } catch (error) {
    if (errorCode(error) === 'LOCK_TIMEOUT') {
      // The deletion would wait for the same lock. The marker stays for the next command.
      pending.release()
      throw error
    }
    try {
      await engine.store.deleteContainer(config.id)
      rmSync(own.directory, { recursive: true, force: true })
    } finally {
      settle()
    }
    throw error
  }
}

function writeIdFile(path: string, id: string): void {
  try {
    writeFileSync(path, id, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error
    throw new TpodError('CIDFILE_EXISTS', `container id file exists. Ensure another container is not using it or delete ${path}`, {
      cause: error, remedy: `rm ${path}`,
    })
  }
}

async function removeHolder(engine: Engine, name: string): Promise<void> {
  const record = await engine.store.findContainer(name)
  // An id or an id prefix is no name: only the holder of this very name is replaced.
  if (record === undefined || record.names?.includes(name) !== true) return
  const { removeContainer } = await import('./remove-container.ts')
  await removeContainer(engine, record.id, { force: true, volumes: false })
}
