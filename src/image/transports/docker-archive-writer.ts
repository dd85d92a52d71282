/** The format of `docker save`: configs, uncompressed layers, manifest.json; any number of images, equal layers once. */
import { createHash } from 'node:crypto'
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import { maxConfigBytes, parseManifest } from '../../oci/image-types.ts'
import { dockerManifest } from '../../oci/media-types.ts'
import type { QualifiedReference } from '../../oci/reference.ts'
import type { BlobToStore, DestinationTraits, ImageDestination, ImageIdentity, RawManifest, StoredBlob } from '../types.ts'
import { legacyLayers } from './docker-archive-legacy.ts'
import type { PieceTarget } from '../../archive/piece-writer.ts'
import { hasContent, TarOutput } from './tar-output.ts'

const dockerArchiveTraits: DestinationTraits = {
  manifestTypes: [dockerManifest],
  indexTypes: [],
  layers: 'uncompressed',
  noSignatures: 'Storing signatures for docker tar files is not supported',
  parallelBlobs: 1,
}

interface ManifestItem {
  Config: string
  RepoTags: string[]
  Layers: string[]
}

/** One archive; its destinations are used one after the other. */
export class DockerArchiveWriter {
  readonly #output: TarOutput
  readonly #blobs = new Map<string, number>()
  readonly #configs = new Map<string, Uint8Array>()
  readonly #items = new Map<string, ManifestItem>()
  readonly #legacy = new Set<string>()
  readonly #repositories: Record<string, Record<string, string>> = {}

  private constructor(output: TarOutput) {
    this.#output = output
  }

  /** Throws ARCHIVE_EXISTS, NO_SUCH_IMAGE_PATH. */
  static open(path: string, temporaryDirectory?: string): DockerArchiveWriter {
    if (hasContent(path)) throw new TpodError('ARCHIVE_EXISTS', `write ${path}: docker-archive doesn't support modifying existing images`, { remedy: 'remove the file, or name another' })
    return new DockerArchiveWriter(TarOutput.open(path, temporaryDirectory))
  }

  /** The archive goes to `sink` as it is made. */
  static toSink(sink: PieceTarget, temporaryDirectory?: string): DockerArchiveWriter {
    return new DockerArchiveWriter(TarOutput.toSink(sink, temporaryDirectory))
  }

  /** Takes one image; `tags` are its names in the archive. Its commit adds it, visible with `finish`. */
  destination(identity: ImageIdentity, tags: readonly QualifiedReference[]): ImageDestination {
    let manifest: RawManifest | undefined
    return {
      description: `${identity.transport}:${identity.name}`,
      identity,
      traits: dockerArchiveTraits,
      reuseBlob: async ({ digest }) => (digest === undefined ? undefined : this.#find(digest)),
      putBlob: (bytes, blob) => (blob.kind === 'config' ? this.#putConfig(bytes, blob) : this.#putLayer(bytes, blob)),
      putManifest: async (raw, { isInstance }) => {
        if (isInstance) throw new TpodError('UNSUPPORTED_MANIFEST', `write ${identity.name}: Manifest lists are not supported for docker tar files`)
        manifest = raw
      },
      commit: async () => {
        if (manifest === undefined) throw new Error('an image was committed without its manifest')
        await this.#addImage(manifest, tags)
      },
      close: async () => undefined,
    }
  }

  /** Ends the archive: now it is there. */
  async finish(): Promise<void> {
    await this.#output.addBytes('manifest.json', Buffer.from(JSON.stringify([...this.#items.values()])))
    await this.#output.addBytes('repositories', Buffer.from(JSON.stringify(this.#repositories)))
    await this.#output.finish()
  }

  /** Without `finish` nothing stays. Idempotent. */
  close(): Promise<void> {
    return this.#output.close()
  }

  #find(digest: string): StoredBlob | undefined {
    const sizeBytes = this.#blobs.get(digest)
    return sizeBytes === undefined ? undefined : { digest, sizeBytes }
  }

  async #putConfig(bytes: AsyncIterable<Uint8Array>, { digest }: BlobToStore): Promise<StoredBlob> {
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of bytes) {
      length += chunk.length
      if (length > maxConfigBytes) throw new TpodError('BODY_TOO_LARGE', `write the archive: the config has more than ${maxConfigBytes} bytes`)
      // Copied: the chunk is not ours once the next one is asked for.
      chunks.push(Buffer.from(chunk))
    }
    const config = Buffer.concat(chunks)
    const actual = digestOf(config)
    if (digest !== undefined && digest !== actual) throw new TpodError('DIGEST_MISMATCH', `write the archive: the config has digest ${actual} instead of ${digest}`)
    if (!this.#blobs.has(actual)) await this.#output.addBytes(configName(actual), config)
    this.#blobs.set(actual, config.length)
    this.#configs.set(actual, config)
    return { digest: actual, sizeBytes: config.length }
  }

  async #putLayer(bytes: AsyncIterable<Uint8Array>, { digest, sizeBytes }: BlobToStore): Promise<StoredBlob> {
    if (digest !== undefined && sizeBytes !== undefined && !this.#blobs.has(digest)) {
      await this.#output.addStream(layerName(digest), sizeBytes, bytes)
      this.#blobs.set(digest, sizeBytes)
      return { digest, sizeBytes }
    }
    const hash = createHash('sha256')
    let found = digest ?? ''
    const { sizeBytes: length } = await this.#output.addUnsized(digest === undefined ? hashed(bytes, hash) : bytes, () => {
      found = digest ?? `sha256:${hash.digest('hex')}`
      return this.#blobs.has(found) ? undefined : layerName(found)
    })
    this.#blobs.set(found, length)
    return { digest: found, sizeBytes: length }
  }

  async #addImage(raw: RawManifest, tags: readonly QualifiedReference[]): Promise<void> {
    const manifest = parseManifest(raw.bytes, raw.mediaType, 'the image to write')
    if (manifest.kind !== 'manifest' || manifest.mediaType !== dockerManifest) throw new TpodError('UNSUPPORTED_MANIFEST', 'write the archive: Unsupported manifest type, need a Docker schema 2 manifest')
    const config = this.#configs.get(manifest.config.digest)
    const missing = manifest.layers.find(({ digest }) => !this.#blobs.has(digest))
    if (config === undefined || missing !== undefined) throw new Error('an image was committed without its blobs')
    const names = tags.map(({ name, tag }) => ({ name, tag: tag ?? 'latest' }))
    await this.#addLegacy(manifest.layers.map(({ digest }) => digest), config, names)
    const item = this.#items.get(manifest.config.digest) ?? { Config: configName(manifest.config.digest), RepoTags: [], Layers: manifest.layers.map(({ digest }) => layerName(digest)) }
    this.#items.set(manifest.config.digest, item)
    for (const { name, tag } of names) if (!item.RepoTags.includes(`${name}:${tag}`)) item.RepoTags.push(`${name}:${tag}`)
  }

  async #addLegacy(digests: readonly string[], config: Uint8Array, names: readonly { name: string; tag: string }[]): Promise<void> {
    const layers = legacyLayers(digests, config)
    for (const { id, json, digest } of layers) {
      if (this.#legacy.has(id)) continue
      this.#legacy.add(id)
      await this.#output.addSymlink(`${id}/layer.tar`, `../${layerName(digest)}`)
      await this.#output.addBytes(`${id}/VERSION`, Buffer.from('1.0'))
      await this.#output.addBytes(`${id}/json`, json)
    }
    const top = layers.at(-1)
    if (top === undefined) return
    for (const { name, tag } of names) this.#repositories[name] = { ...this.#repositories[name], [tag]: top.id }
  }
}

async function* hashed(bytes: AsyncIterable<Uint8Array>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    hash.update(chunk)
    yield chunk
  }
}

function configName(digest: string): string {
  return `${digestHex(parseDigest(digest, 'write the archive'))}.json`
}

function layerName(digest: string): string {
  return `${digestHex(parseDigest(digest, 'write the archive'))}.tar`
}
