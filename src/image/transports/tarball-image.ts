/** Config and manifest of an image made of bare archives, byte for byte as containers/image makes them. */
import type { CompressionName } from '../../archive/types.ts'
import { digestHex, digestOf } from '../../oci/digest.ts'
import type { ContainerConfig, Platform } from '../../oci/image-types.ts'
import { ociConfig, ociManifest } from '../../oci/media-types.ts'
import type { RawManifest } from '../types.ts'

export interface TarballLayer {
  /** Of the file. */
  digest: string
  diffId: string
  sizeBytes: number
  compression: CompressionName
  /** Nanoseconds since the epoch. */
  modified: bigint
}

export interface TarballDescription {
  platform: Platform
  config?: ContainerConfig
  comment?: string
  author?: string
}

/** Go's order of ImageConfig's fields; OnBuild is docker's. */
const configFields = ['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal', 'OnBuild'] as const

export function makeTarballImage(layers: readonly TarballLayer[], { platform, config = {}, comment, author }: TarballDescription): { config: Uint8Array; manifest: RawManifest } {
  const newest = layers.reduce((latest, { modified }) => (modified > latest ? modified : latest), 0n)
  const image = {
    created: goTime(newest),
    ...(author === undefined ? {} : { author }),
    architecture: platform.architecture,
    ...(platform.variant === undefined || platform.variant === '' ? {} : { variant: platform.variant }),
    os: platform.os,
    config: orderedConfig(config),
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ diffId, modified }) => ({
      created: goTime(modified),
      created_by: `/bin/sh -c #(nop) ADD file:${digestHex(diffId)} in /`,
      comment: comment === undefined || comment === '' ? 'imported from tarball' : comment,
    })),
  }
  const configBytes = Buffer.from(goJson(image))
  const manifest = Buffer.from(goJson({
    schemaVersion: 2,
    config: { mediaType: ociConfig, digest: digestOf(configBytes), size: configBytes.length },
    layers: layers.map(({ digest, sizeBytes, compression }) => ({ mediaType: layerType(compression), digest, size: sizeBytes })),
  }))
  return { config: configBytes, manifest: { bytes: manifest, digest: digestOf(manifest), mediaType: ociManifest } }
}

/** Readers find the compression by its magic; bzip2 and xz have no media type of their own. */
function layerType(compression: CompressionName): string {
  const suffix = compression === 'none' ? '' : compression === 'zstd' ? '+zstd' : '+gzip'
  return `application/vnd.oci.image.layer.v1.tar${suffix}`
}

function orderedConfig(config: ContainerConfig): Record<string, unknown> {
  const ordered: Record<string, unknown> = {}
  for (const field of configFields) {
    const value = config[field]
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) continue
    ordered[field] = typeof value === 'object' && !Array.isArray(value) ? sorted(value) : value
  }
  return ordered
}

function sorted(map: object): object {
  return Object.fromEntries(Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** RFC 3339 with nanoseconds, trailing zeros dropped. */
function goTime(nanoseconds: bigint): string {
  const seconds = nanoseconds / 1_000_000_000n
  const fraction = (nanoseconds % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '')
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`
}

/** encoding/json's default: what HTML could take for markup is escaped. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
