/** How `skopeo inspect` and `tpod image inspect TRANSPORT:…` print what they find. */
import type { RemoteInspect } from '../image/remote/inspect-remote.ts'
import type { EndpointOptions, TransportContext } from '../image/types.ts'
import { TpodError } from '../errors/tpod-error.ts'
import type { ContainerConfig, ImageConfig } from '../oci/image-types.ts'
import { encodeGoJson, formatGoTime } from '../oci/go-json.ts'
import { indentJson } from '../oci/indent-json.ts'
import { writeOut } from './output.ts'

export interface RemoteInspectRequest {
  raw: boolean
  config: boolean
  noTags: boolean
  format: string
  endpoint: EndpointOptions
  onWarning: (message: string) => void
}

/** Prints the manifest (raw), the config, or a summary of the image called `transport:details`. */
export async function printRemoteInspect(context: TransportContext, name: string, request: RemoteInspectRequest): Promise<void> {
  if (request.raw && request.format !== '') throw new TpodError('BAD_FLAG', 'raw output does not support format option')
  const { inspectRemote, readRemoteConfig, readRemoteManifest } = await import('../image/remote/inspect-remote.ts')
  if (request.raw && !request.config) return writeOut((await readRemoteManifest(context, name, request.endpoint)).bytes)
  if (request.config) {
    const bytes = await readRemoteConfig(context, name, request.endpoint)
    if (request.raw) return writeOut(bytes)
    const { dockerConfigToOci } = await import('../image/copy/convert-config.ts')
    const text = Buffer.from(dockerConfigToOci(bytes, name)).toString()
    return print(JSON.parse(text), text, request.format, configGoNames)
  }
  const summary = await inspectRemote(context, name, { endpoint: request.endpoint, noTags: request.noTags, onWarning: request.onWarning })
  await print(summary, encodeGoJson(summary), request.format, outputGoFields)
}

async function print(value: unknown, json: string, format: string, named: (value: unknown) => unknown): Promise<void> {
  if (/^\s*(?:|json|\{\{\s*json\s*\.?\s*\}\})\s*$/.test(format)) return writeOut(`${indentJson(json, '    ')}\n`)
  const { renderTemplate } = await import('../text/go-template/render-template.ts')
  // podman's and skopeo's normalisation: escapes are resolved, a line ends with a newline.
  const source = format.replaceAll('\\n', '\n').replaceAll('\\t', '\t')
  const { forTerminal } = await import('./format.ts')
  writeOut(await forTerminal(renderTemplate(source.endsWith('\n') ? source : `${source}\n`, named(value), { name: 'skopeo inspect', typeName: 'inspect.Output' }), source))
}

/** All fields of skopeo's Go type, with Go's zero values: a template may ask for each. */
function outputGoFields(value: unknown): unknown {
  const { Name = '', Tag = '', Digest, RepoTags, Created, DockerVersion, Labels, Architecture, Os, Layers, LayersData, Env } = value as RemoteInspect
  return {
    Name, Tag, Digest, RepoTags, Created: Created === null ? null : goTimeText(Created), DockerVersion, Labels: Labels ?? new Map(), Architecture, Os, Layers: Layers ?? [],
    LayersData: (LayersData ?? []).map((layer) => ({ ...layer, Annotations: layer.Annotations ?? new Map() })), Env: Env ?? [],
  }
}

/** As Go's Time prints itself. */
function goTimeText(time: string): string {
  const match = /^(\S+)T([\d:.]+)(Z|[+-]\d\d:\d\d)$/.exec(time)
  if (match === null) return time
  const zone = (match[3] as string).replace(':', '')
  return `${match[1]} ${match[2]} ${zone === 'Z' ? '+0000 UTC' : `${zone} ${zone}`}`
}

/** A config with the field names of image-spec's Go types, absent ones as Go's zero values: what templates speak of. */
function configGoNames(value: unknown): unknown {
  const config = value as ImageConfig
  const { config: run = {} as ContainerConfig, history = [] } = config
  return {
    Created: timeOf(config.created), Author: config.author ?? '', Architecture: config.architecture, Variant: config.variant ?? '', OS: config.os,
    Config: {
      User: run.User ?? '', ExposedPorts: goMap(run.ExposedPorts), Env: run.Env ?? [], Entrypoint: run.Entrypoint ?? [], Cmd: run.Cmd ?? [],
      Volumes: goMap(run.Volumes), WorkingDir: run.WorkingDir ?? '', Labels: goMap(run.Labels), StopSignal: run.StopSignal ?? '',
    },
    RootFS: { Type: config.rootfs.type, DiffIDs: config.rootfs.diff_ids },
    History: history.map((entry) => ({
      Created: timeOf(entry.created), CreatedBy: entry.created_by ?? '', Author: entry.author ?? '', Comment: entry.comment ?? '', EmptyLayer: entry.empty_layer === true,
    })),
  }
}

function timeOf(time: string | undefined): string | null {
  return time === undefined ? null : goTimeText(formatGoTime(time) ?? time)
}

function goMap(members: Record<string, object | string> | undefined): Map<string, object | string> {
  return new Map(Object.entries(members ?? {}))
}
