/** Schema 1's chain of docker 1.x images out of a config, after distribution's schema1/config_builder. */
import { createHash } from 'node:crypto'
import { TpodError } from '../../errors/tpod-error.ts'
import { digestHex } from '../../oci/digest.ts'
import { encodeGoJson, formatGoTime, RawJson, sortedMap, splitJsonObject, zeroGoTime } from '../../oci/go-json.ts'
import { parseConfig } from './convert-config.ts'

/** What stands for a step that changed no file: an empty tar, gzip'd once and for all. */
export const emptyLayer = Buffer.from('H4sIAAAJbogA/2IYBaNgFIxYAAgAAP//Lq+17wAEAAA=', 'base64')
export const emptyLayerDigest = 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4'

interface Step { created?: unknown; created_by?: unknown; author?: unknown; comment?: unknown; empty_layer?: unknown }

/**
 * `sourceDigests`: of the layers as the source lists them, from which the ids are made; `digests`: as they are written.
 * The result is bottom first, with an empty layer for each empty step of the history. Throws UNSUPPORTED_MANIFEST for an
 * image without history, BAD_CONFIG for one whose history has more layers than the manifest.
 */
export function schema1FromConfig(configBytes: Uint8Array, sourceDigests: readonly string[], digests: readonly string[], what: string): { architecture: string; layers: { digest: string; v1: string }[] } {
  const config = parseConfig(configBytes, what)
  const history = Array.isArray(config.history) ? (config.history as Step[]) : []
  if (history.length === 0) throw new TpodError('UNSUPPORTED_MANIFEST', `convert ${what}: Cannot convert an image with 0 history entries to schema 1`, { remedy: 'choose the format v2s2 or oci' })
  const layers: { digest: string; v1: string }[] = []
  let id = ''
  let next = 0
  for (const [index, step] of history.entries()) {
    const isEmpty = step.empty_layer === true
    if (!isEmpty && next >= digests.length) throw new TpodError('BAD_CONFIG', `convert ${what}: Invalid image configuration, needs more than the ${digests.length} distributed layers`)
    const hex = digestHex(isEmpty ? emptyLayerDigest : sourceDigests[next]!)
    const digest = isEmpty ? emptyLayerDigest : digests[next]!
    if (!isEmpty) next++
    const parent = id
    const isTop = index === history.length - 1
    id = sha256([hex, parent, ...(isTop ? [new TextDecoder().decode(configBytes)] : [])].join(' '))
    layers.push({ digest, v1: isTop ? topImage(configBytes, id, parent, isEmpty) : historicImage(step, id, parent, isEmpty, what) })
  }
  return { architecture: typeof config.architecture === 'string' ? config.architecture : '', layers }
}

function historicImage(step: Step, id: string, parent: string, isEmpty: boolean, what: string): string {
  const created = typeof step.created === 'string' ? formatGoTime(step.created) : zeroGoTime
  if (created === undefined) throw new TpodError('BAD_CONFIG', `convert ${what}: history has a malformed time`)
  return encodeGoJson({
    id,
    parent: parent || undefined,
    comment: text(step.comment) || undefined,
    created,
    container_config: { Cmd: [text(step.created_by)] },
    author: text(step.author) || undefined,
    throwaway: isEmpty || undefined,
  })
}

/** The config itself, members unknown to us included. */
function topImage(configBytes: Uint8Array, id: string, parent: string, isEmpty: boolean): string {
  const members = splitJsonObject(new TextDecoder().decode(configBytes))
  members.delete('rootfs')
  members.delete('history')
  members.set('id', new RawJson(JSON.stringify(id)))
  if (parent !== '') members.set('parent', new RawJson(JSON.stringify(parent)))
  if (isEmpty) members.set('throwaway', new RawJson('true'))
  return encodeGoJson(sortedMap(members))
}

function sha256(value: string): string {
  return createHash('sha256').update(value).digest('hex')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
