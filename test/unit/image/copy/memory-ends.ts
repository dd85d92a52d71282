/** Sources and destinations in memory, for tests of what happens between them. */
import { digestOf } from '../../../../src/oci/digest.ts'
import { manifestDigest } from '../../../../src/oci/schema1.ts'
import type { BlobToStore, DestinationTraits, ImageDestination, ImageIdentity, ImageSource, RawManifest, Signature, StoredBlob } from '../../../../src/image/types.ts'

export class MemorySource implements ImageSource {
  readonly description = 'memory:source'
  readonly identity: ImageIdentity = { transport: 'dir', name: 'source', policyScopes: [] }
  readonly manifests = new Map<string, RawManifest>()
  readonly blobs = new Map<string, Uint8Array>()
  signatures: Signature[] = []
  top = ''
  reads = 0

  addBlob(bytes: Uint8Array | string): { digest: string; size: number } {
    const data = Buffer.from(bytes as string)
    const digest = digestOf(data)
    this.blobs.set(digest, data)
    return { digest, size: data.length }
  }

  /** The last one added is the image's own. */
  addManifest(document: object | Uint8Array, mediaType: string): RawManifest {
    const bytes = document instanceof Uint8Array ? document : Buffer.from(JSON.stringify(document))
    const raw = { bytes, digest: manifestDigest(bytes), mediaType }
    this.manifests.set(raw.digest, raw)
    this.top = raw.digest
    return raw
  }

  async getManifest(digest = this.top): Promise<RawManifest> {
    return this.manifests.get(digest)!
  }

  async* getBlob(digest: string, { offset = 0, signal }: { offset?: number; signal?: AbortSignal } = {}): AsyncGenerator<Uint8Array> {
    this.reads++
    const bytes = this.blobs.get(digest)!
    // Chunks whose memory is the reader's, and long ones own theirs, as from a network.
    for (let at = offset; at < bytes.length; at += 20_000) {
      signal?.throwIfAborted()
      await new Promise((resolve) => setImmediate(resolve))
      yield new Uint8Array(bytes.subarray(at, at + 20_000))
    }
  }

  async getSignatures(): Promise<Signature[]> {
    return this.signatures
  }

  async close(): Promise<void> {}
}

export class MemoryDestination implements ImageDestination {
  readonly description = 'memory:destination'
  readonly identity: ImageIdentity
  readonly traits: DestinationTraits
  readonly blobs = new Map<string, Uint8Array>()
  readonly manifests: RawManifest[] = []
  readonly signatures = new Map<string, readonly Signature[]>()
  /** What was called, in order. */
  readonly calls: string[] = []
  topLevel: RawManifest | undefined
  commits = 0
  running = 0
  mostRunning = 0
  /** Replaceable by a test. */
  onPutBlob: (blob: BlobToStore) => void = () => undefined
  onPutManifest: (manifest: RawManifest) => void = () => undefined
  onCommit: () => void = () => undefined

  constructor(traits: Partial<DestinationTraits> = {}, dockerReference?: ImageIdentity['dockerReference']) {
    this.traits = { manifestTypes: [], indexTypes: [], layers: 'as-is', parallelBlobs: 4, ...traits }
    this.identity = { transport: 'dir', name: 'destination', policyScopes: [], ...(dockerReference === undefined ? {} : { dockerReference }) }
  }

  async reuseBlob({ digest = '' }: BlobToStore): Promise<StoredBlob | undefined> {
    const bytes = this.blobs.get(digest)
    if (bytes === undefined) return undefined
    this.calls.push(`reused ${digest.slice(7, 13)}`)
    return { digest, sizeBytes: bytes.length }
  }

  async putBlob(bytes: AsyncIterable<Uint8Array>, blob: BlobToStore): Promise<StoredBlob> {
    this.calls.push(blob.kind === 'config' ? 'config' : `layer ${blob.layerIndex}`)
    this.mostRunning = Math.max(this.mostRunning, ++this.running)
    try {
      this.onPutBlob(blob)
      const chunks: Buffer[] = []
      for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
      const data = Buffer.concat(chunks)
      this.blobs.set(digestOf(data), data)
      return { digest: digestOf(data), sizeBytes: data.length }
    } finally {
      this.running--
    }
  }

  async putManifest(manifest: RawManifest, { isInstance }: { isInstance: boolean }): Promise<void> {
    this.calls.push(isInstance ? 'instance' : 'manifest')
    this.onPutManifest(manifest)
    this.manifests.push(manifest)
  }

  async putSignatures(signatures: readonly Signature[], digest: string): Promise<void> {
    this.signatures.set(digest, signatures)
  }

  async commit({ topLevel }: { topLevel?: RawManifest } = {}): Promise<void> {
    this.commits++
    this.calls.push('commit')
    this.onCommit()
    this.topLevel = topLevel
  }

  async close(): Promise<void> {}

  /** The last manifest. */
  document(): { mediaType: string; config: { digest: string; mediaType: string }; layers: { mediaType: string; digest: string; size: number }[]; manifests: { digest: string; mediaType: string }[] } {
    return JSON.parse(Buffer.from(this.manifests.at(-1)!.bytes).toString()) as ReturnType<MemoryDestination['document']>
  }
}
