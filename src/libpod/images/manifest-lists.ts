/** Manifest lists of an engine's store: made, filled, annotated, inspected, pushed, removed. Contracts as in image/manifest-list/. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import type { Outcome } from '../../errors/outcome.ts'
import type { CopyOptions } from '../../image/copy/types.ts'
import type { AddedCompression } from '../../image/manifest-list/add-compression.ts'
import type { InspectedManifest } from '../../image/manifest-list/inspect-list.ts'
import type { ListDocument, ListEntry } from '../../image/manifest-list/list-document.ts'
import { changeStoredList, createStoredList, getStoredList } from '../../image/manifest-list/stored-list.ts'
import type { StoredList } from '../../image/manifest-list/stored-list.ts'
import type { RemovedImage } from '../../image/local/remove.ts'
import type { SigningKeys } from '../../image/trust/open-signers.ts'
import type { EndpointOptions, ImageSource } from '../../image/types.ts'
import { isDigest } from '../../oci/digest.ts'
import type { Platform } from '../../oci/image-types.ts'
import { formatReference, parseNormalizedReference, withDefaultTag } from '../../oci/reference.ts'
import type { Engine } from '../engine.ts'
import { imageContext, registriesOf, temporaryDirectoryOf } from '../image-context.ts'
import type { RegistryAccess } from '../image-context.ts'

export interface EntryChanges {
  annotations?: Readonly<Record<string, string>>
  architecture?: string
  os?: string
  osVersion?: string
  osFeatures?: readonly string[]
  variant?: string
  features?: readonly string[]
}

export interface ListAccess extends RegistryAccess {
  endpoint?: EndpointOptions
}

export interface AddToListOptions extends ListAccess {
  /** All images of a list that is added, not only this machine's. */
  all?: boolean
  /** What the new entry (of an index the first) says instead of what its image does. */
  changes?: EntryChanges
}

export interface CreateListOptions extends ListAccess {
  all?: boolean
  /** A list of that name is used instead of refused. */
  amend?: boolean
  /** Of the index itself. */
  annotations?: Readonly<Record<string, string>>
}

export interface PushListOptions extends ListAccess, Omit<CopyOptions, 'instances'> {
  /** Default true: the images, too. */
  all?: boolean
  /** The images in these compressions, too, as further entries of the pushed list. */
  addCompression?: readonly AddedCompression[]
  /** Remove the list after it was pushed. */
  remove?: boolean
  /** The digest of what was pushed is written there, before the list is removed. */
  digestFile?: string
  /** Keys to sign the list and its images with, beside `signers`. */
  signing?: SigningKeys
  /** Asks for a sigstore key's passphrase where no file has it; absent: refused. */
  askPassphrase?: (keyFile: string) => Promise<string>
}

/** Gives the list's id. Throws IMAGE_NAME_IN_USE; images that cannot be added leave the list without them, as podman's. */
export async function createManifestList(engine: Engine, name: string, images: readonly string[], options: CreateListOptions = {}): Promise<string> {
  const id = await createOrFind(engine, name, options)
  for (const image of images) await addToManifestList(engine, id, [image], options)
  return id
}

async function createOrFind(engine: Engine, name: string, { amend, annotations }: CreateListOptions): Promise<string> {
  const hasAnnotations = annotations !== undefined && Object.keys(annotations).length > 0
  const list: ListDocument = { entries: [], ...(hasAnnotations ? { annotations: { ...annotations } } : {}) }
  try {
    return (await createStoredList(engine.store, name, list)).id
  } catch (error) {
    if (errorCode(error) !== 'IMAGE_NAME_IN_USE') throw error
    const former = amend === true ? await findList(engine, name) : undefined
    if (former === undefined) throw new TpodError('IMAGE_NAME_IN_USE', `creating image to hold manifest list: ${(error as Error).message}`, { remedy: 'choose another name, or give --amend to change that list' })
    if (hasAnnotations) await changeStoredList(engine.store, former.image.id, ({ list: found }) => void (found.annotations = { ...found.annotations, ...annotations }))
    return former.image.id
  }
}

/** Adds each image in turn; what was added before a failure stays. Gives the list's id. */
export async function addToManifestList(engine: Engine, listName: string, images: readonly string[], options: AddToListOptions = {}): Promise<string> {
  const { image: { id } } = await getStoredList(engine.store, registriesOf(engine), listName)
  for (const image of images) {
    const { location, entries } = await describe(engine, image, options)
    await changeStoredList(engine.store, id, (stored) => addEntries(stored, entries, location, options.changes), options.endpoint?.signal)
  }
  return id
}

async function describe(engine: Engine, image: string, options: AddToListOptions): Promise<{ location: string; entries: ListEntry[] }> {
  const { all, endpoint } = options
  const [{ source, location, platform }, { describeInstances }] = await Promise.all([openNamed(engine, image, options), import('../../image/manifest-list/describe-instances.ts')])
  try {
    const entries = await describeInstances(source, { platform, ...(all === undefined ? {} : { all }), ...(endpoint?.signal === undefined ? {} : { signal: endpoint.signal }) })
    const reference = source.identity.transport === 'docker' ? source.identity.dockerReference : undefined
    return { location: reference === undefined ? location : `docker://${formatReference(reference)}`, entries }
  } finally {
    await source.close()
  }
}

/** What a user means by an image; the caller closes the source. */
async function openNamed(engine: Engine, image: string, { endpoint, ...access }: ListAccess): Promise<{ source: ImageSource; location: string; platform: Platform }> {
  const context = imageContext(engine, { authFile: access.authFile, credentials: access.credentials })
  const [{ resolveInstanceName, openableLocation }, { openSource }] = await Promise.all([import('../../image/manifest-list/instance-location.ts'), import('../../image/transports/open-source.ts')])
  const location = await resolveInstanceName(engine.store, registriesOf(engine), image)
  return { source: await openSource(context, await openableLocation(engine.store, location), endpoint), location, platform: context.platform }
}

function addEntries({ list, instances }: StoredList, entries: readonly ListEntry[], location: string, changes: EntryChanges | undefined): void {
  for (const entry of entries) {
    list.entries = [...list.entries.filter(({ digest }) => digest !== entry.digest), { ...entry }]
    if (!instances.has(entry.digest)) instances.set(entry.digest, location)
  }
  const first = entries[0]
  if (changes !== undefined && first !== undefined) changeEntry(list, first.digest, changes)
}

/**
 * Changes what the list says of an entry, named by its digest, by an image of the store that it is, or by the name under which it was added. Annotations replace the
 * entry's former ones, as podman's do. Gives the list's id. Throws NO_SUCH_LIST_ENTRY.
 */
export async function annotateManifestList(engine: Engine, listName: string, entry: string, changes: EntryChanges, signal?: AbortSignal): Promise<string> {
  const { image: { id } } = await getStoredList(engine.store, registriesOf(engine), listName)
  const name = await entryName(engine, entry)
  await changeStoredList(engine.store, id, (stored) => changeEntry(stored.list, findEntry(stored, name, entry, listName), changes), signal)
  return id
}

export interface IndexChanges extends ListAccess {
  /** Added to those that it has. */
  annotations?: Readonly<Record<string, string>>
  /** The image or list that the index refers to as its subject, named as an image to add. */
  subject?: string
}

/** Changes what the index says of itself. Gives the list's id. Throws what reaching the subject throws. */
export async function annotateIndex(engine: Engine, listName: string, changes: IndexChanges): Promise<string> {
  const { image: { id } } = await getStoredList(engine.store, registriesOf(engine), listName)
  const subject = changes.subject === undefined ? undefined : await describeSubject(engine, changes.subject, changes)
  await changeStoredList(engine.store, id, ({ list }) => {
    if (changes.annotations !== undefined) list.annotations = { ...list.annotations, ...changes.annotations }
    if (subject !== undefined) list.subject = subject
  }, changes.endpoint?.signal)
  return id
}

async function describeSubject(engine: Engine, name: string, access: ListAccess): Promise<Record<string, unknown>> {
  const { source } = await openNamed(engine, name, access)
  try {
    const { parseManifest } = await import('../../oci/image-types.ts')
    const raw = await source.getManifest(undefined, access.endpoint?.signal === undefined ? {} : { signal: access.endpoint.signal })
    return { mediaType: parseManifest(raw.bytes, raw.mediaType, source.description).mediaType, digest: raw.digest, size: raw.bytes.length }
  } finally {
    await source.close()
  }
}

/** Takes an entry out, by digest or by an image of the store. Gives the list's id. Throws NO_SUCH_LIST_ENTRY. */
export async function removeFromManifestList(engine: Engine, listName: string, entry: string, signal?: AbortSignal): Promise<string> {
  const { image: { id } } = await getStoredList(engine.store, registriesOf(engine), listName)
  const name = await entryName(engine, entry)
  await changeStoredList(engine.store, id, (stored) => {
    const digest = findEntry(stored, name, entry, listName)
    const { list } = stored
    list.entries = list.entries.filter((each) => each.digest !== digest)
  }, signal)
  return id
}

/** podman's view of the list in the store, else of what the registry has. */
export async function inspectManifestList(engine: Engine, name: string, { endpoint, ...access }: ListAccess = {}): Promise<InspectedManifest> {
  const { inspectManifest } = await import('../../image/manifest-list/inspect-list.ts')
  return inspectManifest(imageContext(engine, access), name, endpoint)
}

/** Copies the list, and its images, to `destination` (`transport:details`, or a reference in a registry). Gives the digest there. */
export async function pushManifestList(engine: Engine, listName: string, destination: string, options: PushListOptions = {}): Promise<string> {
  const { authFile, credentials, remove, digestFile, signing, askPassphrase, ...push } = options
  const stored = await getStoredList(engine.store, registriesOf(engine), listName)
  const [{ pushStoredList }, { parseImageName, transportOf }] = await Promise.all([import('../../image/manifest-list/push-list.ts'), import('../../image/transports/image-name.ts')])
  const name = parseImageName(transportOf(destination) === undefined ? `docker://${destination}` : destination)
  const signers = signing === undefined ? [] : await (await import('../../image/trust/open-signers.ts')).openSigners(signing, {
    env: engine.options.hostEnv, temporaryDirectory: temporaryDirectoryOf(engine), creator: engine.options.userAgent ?? 'tpod',
    ...(askPassphrase === undefined ? {} : { askPassphrase }), ...(push.signal === undefined ? {} : { signal: push.signal }),
  })
  const { manifest: { digest } } = await pushStoredList(imageContext(engine, { authFile, credentials }), stored, name, { ...push, signers: [...push.signers ?? [], ...signers] })
  if (digestFile !== undefined) {
    const { writeFile } = await import('node:fs/promises')
    await writeFile(digestFile, digest).catch((cause: unknown) => {
      throw new TpodError('DIGEST_FILE', `write digest to file ${digestFile}: ${errorMessage(cause)}`, { cause })
    })
  }
  if (remove === true) await engine.store.deleteImage(stored.image.id)
  return digest
}

/** One outcome per name: NO_SUCH_IMAGE (not with `ignore`), NOT_A_MANIFEST_LIST. The lists' images stay. */
export async function removeManifestLists(engine: Engine, names: readonly string[], options: { ignore?: boolean } = {}): Promise<Outcome<RemovedImage>[]> {
  const { removeImages } = await import('../../image/local/remove.ts')
  const outcomes: Outcome<RemovedImage>[] = []
  for (const name of names) {
    try {
      await getStoredList(engine.store, registriesOf(engine), name)
      outcomes.push(...(await removeImages(engine.store, registriesOf(engine), [name])))
    } catch (error) {
      const isMissing = errorCode(error) === 'NO_SUCH_IMAGE'
      if (isMissing && options.ignore === true) continue
      // As rmi, podman ends with 1 for "not found".
      const shown = isMissing ? new TpodError('NO_SUCH_IMAGE', errorMessage(error), { exitCode: 1 }) : error
      outcomes.push({ input: name, error: shown instanceof Error ? shown : new Error(String(shown)) })
    }
  }
  return outcomes
}

/** False when there is no such name; throws NOT_A_MANIFEST_LIST when it is a single image's. */
export async function manifestListExists(engine: Engine, name: string): Promise<boolean> {
  return (await findList(engine, name)) !== undefined
}

async function findList(engine: Engine, name: string): Promise<StoredList | undefined> {
  try {
    return await getStoredList(engine.store, registriesOf(engine), name)
  } catch (error) {
    if (errorCode(error) === 'NO_SUCH_IMAGE') return undefined
    throw error
  }
}

function changeEntry(list: ListDocument, digest: string, changes: EntryChanges): void {
  const entry = list.entries.find((each) => each.digest === digest)
  if (entry === undefined) return
  const { platform } = entry
  if (changes.os) platform.os = changes.os
  if (changes.architecture) platform.architecture = changes.architecture
  if (changes.osVersion) platform['os.version'] = changes.osVersion
  if (changes.variant) platform.variant = changes.variant
  if (changes.osFeatures !== undefined && changes.osFeatures.length > 0) platform['os.features'] = [...changes.osFeatures]
  if (changes.features !== undefined && changes.features.length > 0) entry.features = [...changes.features]
  if (changes.annotations !== undefined && Object.keys(changes.annotations).length > 0) entry.annotations = { ...changes.annotations }
}

/** What an entry is known by: its digest, or where its image lies. */
interface EntryName {
  digests: ReadonlySet<string>
  location?: string
}

async function entryName(engine: Engine, entry: string): Promise<EntryName> {
  if (isDigest(entry)) return { digests: new Set([entry]) }
  const [{ findLocalImage, imageDigests }, { transportOf }] = await Promise.all([import('../../image/local/resolve-local.ts'), import('../../image/transports/image-name.ts')])
  const text = entry.replace(/^containers-storage:/, '')
  const transport = transportOf(text)
  if (/^sha\d+:/.test(text)) {
    throw new TpodError('BAD_DIGEST', `invalid image digest "${entry}"`, { remedy: "find the entry's digest with: tpod manifest inspect" })
  }
  const local = transport === undefined ? await findLocalImage(engine.store, registriesOf(engine), text) : undefined
  const named = transport === undefined || transport === 'docker' ? `docker://${formatReference(withDefaultTag(parseNormalizedReference(text)))}` : text
  return { digests: local === undefined ? new Set() : imageDigests(local.image), location: named }
}

/** The digest of the one entry that is meant. Throws NO_SUCH_LIST_ENTRY, also for several. */
function findEntry({ list, instances }: StoredList, { digests, location }: EntryName, entry: string, listName: string): string {
  const byDigest = list.entries.filter(({ digest }) => digests.has(digest))
  const found = byDigest.length > 0 ? byDigest : list.entries.filter(({ digest }) => location !== undefined && instances.get(digest) === location)
  const remedy = `list its entries with: tpod manifest inspect ${listName}`
  if (found.length > 1) throw new TpodError('NO_SUCH_LIST_ENTRY', `${listName}: several entries of the manifest list are of "${entry}"`, { remedy: `name one by its digest; ${remedy}` })
  if (found.length === 0) throw new TpodError('NO_SUCH_LIST_ENTRY', `${listName}: no instance matching digest "${entry}" found in manifest list`, { remedy })
  return found[0]!.digest
}
