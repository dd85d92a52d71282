import { errorCode, TpodError } from '../../errors/tpod-error.ts'
import type { ImageContext, PullOptions } from '../../image/types.ts'
import type { Platform } from '../../oci/image-types.ts'
import type { ImageRecord } from '../../storage/types.ts'
import type { Engine } from '../engine.ts'

export interface ProvideImageOptions extends Omit<PullOptions, 'signal'> {
  /** How registries are reached; absent: as the engine's configuration says, or not at all if it was opened without registries. */
  context?: ImageContext
}

export interface ProvidedImage {
  record: ImageRecord
  /** Resolved reference, shown by ps and inspect. */
  name: string
}

/** The image by name, id or place (`docker-archive:PATH`), pulled as the policy says. The registry client is loaded only when it is needed. */
export async function provideImage(engine: Engine, nameOrId: string, options: ProvideImageOptions, signal?: AbortSignal): Promise<ProvidedImage> {
  const { context: given, ...pull } = options
  if (pull.policy === undefined || pull.policy === 'missing' || pull.policy === 'never') {
    // With a platform asked for, the pull decides whether what is here suits.
    const local = await findLocal(engine, nameOrId, given).catch((error: unknown) => {
      if (errorCode(error) !== 'BAD_REFERENCE' || !placePattern.test(nameOrId)) throw error
      return undefined
    })
    // Lists have no layer; an image without one is left as it is by what is asked then.
    if (local !== undefined && local.record.layer === undefined) return ofList(engine, local, pull.platform)
    if (local !== undefined && pull.platform === undefined) return local
  }
  const context = given ?? await ownContext(engine)
  if (context === undefined) {
    throw new TpodError('NO_SUCH_IMAGE', `${nameOrId}: image not known`, { remedy: `pull it: tpod pull ${nameOrId}` })
  }
  if (placePattern.test(nameOrId)) return fromPlace(context, nameOrId, { ...pull, ...(signal === undefined ? {} : { signal }) })
  const { pullImage } = await import('../../image/pull/pull.ts')
  const pulled = await pullImage(context, nameOrId, { ...pull, ...(signal === undefined ? {} : { signal }) })
  return { record: pulled.image, name: shownName(pulled.image, pulled.reference) }
}

/** What may be a name with a transport; which of them is (and not the tag of an image called `oci`) the pull knows. */
const placePattern = /^(?:docker:\/\/|(?:oci|oci-archive|dir|docker-archive|docker-daemon|containers-storage|tarball):)/

async function fromPlace(context: ImageContext, name: string, options: PullOptions): Promise<ProvidedImage> {
  const { pullImages } = await import('../../image/pull/pull-images.ts')
  const pulled = await pullImages(context, name, options)
  const [first] = pulled
  if (first === undefined) throw new TpodError('NO_SUCH_IMAGE', `${name}: it has no image`)
  if (pulled.some(({ image }) => image.id !== first.image.id)) throw new TpodError('AMBIGUOUS_IMAGE', `run from ${name}: it has several images`, { remedy: `they are in the store now: run one of ${pulled.map(({ reference }) => reference).join(', ')}` })
  return { record: first.image, name: shownName(first.image, first.reference) }
}

/** Of a manifest list in the store the image for the platform runs. */
async function ofList(engine: Engine, { record, name }: ProvidedImage, platform: Platform | undefined): Promise<ProvidedImage> {
  const [{ imageOrInstance }, { hostPlatform }] = await Promise.all([import('../../image/manifest-list/local-instance.ts'), import('../../oci/platform.ts')])
  return { record: await imageOrInstance(engine.store, record, platform ?? hostPlatform(process.arch)), name }
}

async function ownContext(engine: Engine): Promise<ImageContext | undefined> {
  if (engine.options.loadRegistries === undefined) return undefined
  const { imageContext } = await import('../image-context.ts')
  return imageContext(engine)
}

async function findLocal(engine: Engine, nameOrId: string, context: ImageContext | undefined): Promise<ProvidedImage | undefined> {
  const exact = await findExact(engine, nameOrId)
  if (exact !== undefined) return exact
  const { findLocalImage } = await import('../../image/local/resolve-local.ts')
  const registries = context?.registries ?? engine.options.loadRegistries
  if (registries === undefined) return undefined
  const found = await findLocalImage(engine.store, registries, nameOrId)
  return found === undefined ? undefined : { record: found.image, name: found.isById ? shownName(found.image, found.image.id) : found.resolvedName }
}

/** A fully qualified name that is here needs neither the reference grammar nor registries.conf. */
async function findExact(engine: Engine, name: string): Promise<ProvidedImage | undefined> {
  const slash = name.indexOf('/')
  if (slash < 0 || name.includes('@') || !/[.:]|^localhost$/.test(name.slice(0, slash))) return undefined
  const tagged = name.includes(':', slash) ? name : `${name}:latest`
  const record = await engine.store.findImage(tagged)
  return record?.names?.includes(tagged) === true ? { record, name: tagged } : undefined
}

function shownName(record: ImageRecord, reference: string): string {
  return reference === record.id || record.id.startsWith(reference) ? record.names?.[0] ?? record.id : reference
}
