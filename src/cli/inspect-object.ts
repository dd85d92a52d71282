import { TpodError, errorCode } from '../errors/tpod-error.ts'
import type { Engine } from '../libpod/engine.ts'
import { registriesOf } from '../libpod/image-context.ts'

/** podman's order of search where the type is open. Throws NO_SUCH_OBJECT, or the type's own error. */
export async function inspectObject(engine: Engine, name: string, type: string, size: boolean): Promise<unknown> {
  if (type !== 'all') return inspectTyped(engine, name, type, size)
  for (const candidate of ['container', 'image', 'volume', 'network']) {
    try {
      return await inspectTyped(engine, name, candidate, size)
    } catch (error) {
      if (!notFoundCodes.has(errorCode(error) ?? '')) throw error
    }
  }
  throw new TpodError('NO_SUCH_OBJECT', `no such object: "${name}"`, { remedy: 'list objects with: tpod ps --all, tpod images, tpod volume ls, tpod network ls' })
}

const notFoundCodes = new Set(['NO_SUCH_CONTAINER', 'NO_SUCH_IMAGE', 'NO_SUCH_VOLUME', 'NO_SUCH_NETWORK', 'FOREIGN_CONTAINER', 'BAD_REFERENCE', 'BAD_NAME', 'AMBIGUOUS_NAME'])

async function inspectTyped(engine: Engine, name: string, type: string, size: boolean): Promise<unknown> {
  switch (type) {
    case 'container': {
      const { inspectContainer } = await import('../libpod/container/inspect-container.ts')
      return inspectContainer(engine, name, { size })
    }
    case 'image': {
      const { inspectImage } = await import('../image/local/inspect.ts')
      return inspectImage(engine.store, registriesOf(engine), name)
    }
    case 'volume': {
      const [{ openVolumes, volumeView }, { getVolume }] = await Promise.all([import('./open-volumes.ts'), import('../libpod/volume/volume-store.ts')])
      return volumeView(getVolume(openVolumes(engine).paths, name))
    }
    default: {
      const [{ findNetworkView }, network] = await Promise.all([import('./network-view.ts'), engine.network()])
      return findNetworkView(await network.list(), name)
    }
  }
}
