/**
 * sigstore signatures in the registry, as cosign keeps them: an image with the tag sha256-HEX.sig whose layers are the
 * signed payloads and whose layers' annotations are the signatures.
 */
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex, digestOf, parseDigest } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/image-types.ts'
import type { Descriptor, ImageManifest } from '../../oci/image-types.ts'
import type { Signature } from '../types.ts'
import { signatureBudget } from './signature-blob.ts'

/** One repository of a registry, as far as attachments need it. */
export interface AttachmentRepository {
  /** For messages: `host/path`. */
  name: string
  /** Undefined where the tag does not exist. */
  getManifest(tag: string, signal?: AbortSignal): Promise<{ bytes: Uint8Array; mediaType: string } | undefined>
  /** The blob, unverified; must itself stop beyond `maxBytes`. */
  getBlob(digest: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>
  /** Idempotent. */
  putBlob(bytes: Uint8Array, digest: string, signal?: AbortSignal): Promise<void>
  putManifest(tag: string, bytes: Uint8Array, mediaType: string, signal?: AbortSignal): Promise<void>
}

type SigstoreSignature = Extract<Signature, { kind: 'sigstore' }>

const ociManifestType = 'application/vnd.oci.image.manifest.v1+json'
const ociConfigType = 'application/vnd.oci.image.config.v1+json'
const maxPayloadBytes = 4 * 1024 * 1024
const maxConfigBytes = 4 * 1024 * 1024
/** Layers of one attachment image: more are no sensible number of signatures. */
const maxAttachments = 128

export function attachmentTag(manifestDigest: string): string {
  return `sha256-${digestHex(parseDigest(manifestDigest, 'find signatures'))}.sig`
}

/** In the order of the layers; [] where nobody signed. Throws ATTACHMENT_INVALID, DIGEST_MISMATCH and what the repository throws. */
export async function readSigstoreAttachments(repository: AttachmentRepository, manifestDigest: string, signal?: AbortSignal): Promise<Signature[]> {
  const manifest = await readAttachmentManifest(repository, manifestDigest, signal)
  const signatures: Signature[] = []
  const spend = signatureBudget(repository.name)
  for (const { mediaType, digest, size, annotations } of manifest?.layers ?? []) {
    const payload = await readBlob(repository, digest, size, maxPayloadBytes, signal)
    spend(payload.length)
    signatures.push({ kind: 'sigstore', mediaType, payload, annotations: annotations ?? {} })
  }
  return signatures
}

/**
 * Adds those that are not there yet; others stay, as they may be somebody else's. Two writers at once: the later one's
 * manifest stands, without the earlier one's addition (the registry has no locks).
 */
export async function writeSigstoreAttachments(repository: AttachmentRepository, signatures: readonly SigstoreSignature[], manifestDigest: string, signal?: AbortSignal): Promise<void> {
  const old = await readAttachmentManifest(repository, manifestDigest, signal)
  const config = old === undefined ? {} : parseConfig(await readBlob(repository, old.config.digest, old.config.size, maxConfigBytes, signal), repository.name)
  const layers: Descriptor[] = [...(old?.layers ?? [])]
  const rootfs = config['rootfs'] as { diff_ids?: unknown } | undefined
  const diffIds: unknown[] = Array.isArray(rootfs?.diff_ids) ? [...rootfs.diff_ids as unknown[]] : []
  for (const { mediaType, payload, annotations } of signatures) {
    const layer = { mediaType, size: payload.length, digest: digestOf(payload), annotations: { ...annotations } }
    if (layers.some((other) => isSame(other, layer))) continue
    await repository.putBlob(payload, layer.digest, signal)
    layers.push(layer)
    diffIds.push(layer.digest)
  }
  if (layers.length === (old?.layers.length ?? 0)) return
  const configBytes = Buffer.from(JSON.stringify({ architecture: '', os: '', config: {}, ...config, rootfs: { type: 'layers', diff_ids: diffIds } }))
  const configDigest = digestOf(configBytes)
  await repository.putBlob(configBytes, configDigest, signal)
  const manifest = { schemaVersion: 2, mediaType: ociManifestType, config: { mediaType: ociConfigType, size: configBytes.length, digest: configDigest }, layers }
  await repository.putManifest(attachmentTag(manifestDigest), Buffer.from(JSON.stringify(manifest)), ociManifestType, signal)
}

async function readAttachmentManifest(repository: AttachmentRepository, manifestDigest: string, signal: AbortSignal | undefined): Promise<ImageManifest | undefined> {
  const tag = attachmentTag(manifestDigest)
  const raw = await repository.getManifest(tag, signal)
  if (raw === undefined) return undefined
  const name = `${repository.name}:${tag}`
  const type = raw.mediaType.split(';', 1)[0]?.trim() ?? ''
  if (type !== ociManifestType) throw new TpodError('ATTACHMENT_INVALID', `unexpected MIME type for sigstore attachment manifest ${name}: ${JSON.stringify(type.slice(0, 100))}`)
  const manifest = parseManifest(raw.bytes, ociManifestType, name)
  if (manifest.kind !== 'manifest') throw new TpodError('ATTACHMENT_INVALID', `sigstore attachment manifest ${name} is not an image`)
  if (manifest.layers.length > maxAttachments) throw new TpodError('ATTACHMENT_INVALID', `sigstore attachment manifest ${name} has ${manifest.layers.length} layers, more than ${maxAttachments}`)
  return manifest
}

async function readBlob(repository: AttachmentRepository, digest: string, size: number, maxBytes: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
  if (size > maxBytes) throw new TpodError('ATTACHMENT_INVALID', `sigstore attachment ${digest} of ${repository.name}: ${size} bytes, more than ${maxBytes}`)
  const bytes = await repository.getBlob(digest, maxBytes, signal)
  if (digestOf(bytes) !== digest) throw new TpodError('DIGEST_MISMATCH', `sigstore attachment of ${repository.name}: the registry sent a blob with digest ${digestOf(bytes)} instead of ${digest}`)
  return bytes
}

function parseConfig(bytes: Uint8Array, name: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // Said below.
  }
  throw new TpodError('ATTACHMENT_INVALID', `parsing sigstore attachment config of ${name}: not a JSON object`)
}

function isSame(a: Descriptor, b: Descriptor): boolean {
  if (a.mediaType !== b.mediaType || a.size !== b.size || a.digest !== b.digest) return false
  // An annotation more on the registry's side does no harm.
  return Object.entries(b.annotations ?? {}).every(([key, value]) => a.annotations?.[key] === value)
}
