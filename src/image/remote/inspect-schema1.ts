/** What there is to say of a docker schema 1 image: its newest history entry is its config. */
import { formatGoTime, sortedMap, zeroGoTime } from '../../oci/go-json.ts'
import { parseSchema1, type Schema1Manifest } from '../../oci/schema1.ts'
import { configFromSchema1 } from '../copy/convert-config.ts'
import type { ImageSummary } from './inspect-remote.ts'

interface V1Image {
  created?: unknown
  docker_version?: unknown
  architecture?: unknown
  os?: unknown
  config?: { Labels?: Record<string, string> | null; Env?: string[] | null } | null
}

/** Throws BAD_MANIFEST. */
export function summarizeSchema1(bytes: Uint8Array, name: string): ImageSummary {
  const manifest = parseSchema1(bytes, name)
  const top = newestEntry(manifest)
  const layers = manifest.layers.map(({ digest }) => digest)
  return {
    Tag: manifest.tag,
    Created: (typeof top.created === 'string' ? formatGoTime(top.created) : undefined) ?? zeroGoTime,
    DockerVersion: text(top.docker_version),
    Labels: top.config?.Labels ? sortedMap(Object.entries(top.config.Labels)) : null,
    Architecture: text(top.architecture),
    Os: text(top.os),
    Layers: layers,
    LayersData: layers.map((digest) => ({ MIMEType: '', Digest: digest, Size: -1, Annotations: null })),
    Env: top.config?.Env ?? null,
  }
}

/** The config that the image has once it is converted; its layers' diff ids are not known without reading them. */
export function schema1Config(bytes: Uint8Array, name: string): Uint8Array {
  return configFromSchema1(parseSchema1(bytes, name), [], name)
}

function newestEntry(manifest: Schema1Manifest): V1Image {
  return JSON.parse(manifest.layers.at(-1)?.v1 ?? '{}') as V1Image
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
