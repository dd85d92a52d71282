/** --pid, --ipc, --uts, --userns, --cgroupns and --network. */
import type { NamespaceMode, NetworkMode } from '../../types.ts'
import { flagError } from './flag-error.ts'

export type NamespaceKind = 'pid' | 'ipc' | 'uts' | 'userns' | 'cgroupns'

const wordsOf: Readonly<Record<NamespaceKind, readonly string[]>> = {
  pid: ['private', 'host'],
  ipc: ['private', 'host', 'shareable', 'none'],
  uts: ['private', 'host'],
  userns: ['host'],
  cgroupns: ['private', 'host'],
}

/**
 * `host`, `private`, `container:NAME`, `ns:/path` and, for ipc, `shareable` and `none`. `containerId` holds the name
 * as typed: whoever knows the containers resolves it. Throws BAD_FLAG.
 */
export function parseNamespaceMode(kind: NamespaceKind, text: string): NamespaceMode {
  if (wordsOf[kind].includes(text)) return { mode: text as 'private' }
  const colon = text.indexOf(':')
  const word = colon < 0 ? text : text.slice(0, colon)
  const rest = colon < 0 ? '' : text.slice(colon + 1)
  if (kind === 'userns') {
    const isKnown = ['keep-id', 'nomap', 'auto', 'private', 'container', 'ns'].includes(word) || text === ''
    throw flagError(kind, text, isKnown ? 'user namespaces are not supported yet, only host' : `unrecognized namespace mode ${text} passed`)
  }
  if (word === 'container') {
    if (rest === '') throw flagError(kind, text, 'must provide the name or id of a container')
    return { mode: 'container', containerId: rest }
  }
  if (word === 'ns') {
    if (!rest.startsWith('/')) throw flagError(kind, text, 'must provide the absolute path of a namespace')
    return { mode: 'path', path: rest }
  }
  if (word === 'pod') throw flagError(kind, text, 'pods are not supported yet')
  throw flagError(kind, text, `unrecognized namespace mode ${text} passed`, `one of ${wordsOf[kind].join(', ')}, container:NAME, ns:PATH`)
}

/**
 * All --network values of one command line: one of none, host, container:NAME, ns:/path; or bridge and names of networks,
 * several, each with `:ip=…,mac=…,alias=…` behind it. [] asks for the default network. Throws BAD_FLAG.
 */
export function parseNetworkMode(texts: readonly string[]): NetworkMode {
  const networks: { name: string; aliases?: readonly string[]; ip?: string; mac?: string }[] = []
  for (const text of texts.flatMap(splitNames)) {
    const single = parseSingleMode(text)
    if (single !== undefined) {
      if (texts.flatMap(splitNames).length > 1) throw flagError('network', text, `cannot set multiple networks without bridge network mode, selected mode ${single.mode}`)
      return single
    }
    networks.push(...parseBridge(text))
  }
  return { mode: 'bridge', networks }
}

/** podman's older spelling `--network a,b`; a colon starts options, in which commas mean something else. */
function splitNames(text: string): string[] {
  return text.includes(':') ? [text] : text.split(',')
}

function parseSingleMode(text: string): NetworkMode | undefined {
  const colon = text.indexOf(':')
  const word = colon < 0 ? text : text.slice(0, colon)
  const rest = colon < 0 ? '' : text.slice(colon + 1)
  switch (word) {
    case 'none': case 'host':
      if (colon >= 0) throw flagError('network', text, `${word} takes no options`)
      return { mode: word }
    case 'container':
      if (rest === '') throw flagError('network', text, 'must provide the name or id of a container')
      return { mode: 'container', containerId: rest }
    case 'ns':
      if (!rest.startsWith('/')) throw flagError('network', text, 'must provide a path to a namespace when specifying "ns:"')
      return { mode: 'path', path: rest }
    case 'slirp4netns': case 'pasta': case 'pod':
      throw flagError('network', text, `${word} is not supported yet`, 'use bridge, host, none or container:NAME')
    default: return undefined
  }
}

function parseBridge(text: string): { name: string; aliases?: readonly string[]; ip?: string; mac?: string }[] {
  const colon = text.indexOf(':')
  const word = colon < 0 ? text : text.slice(0, colon)
  if (word === '') throw flagError('network', text, 'the name of a network is empty')
  const isDefault = word === 'bridge' || word === 'private' || word === 'default'
  if (colon < 0 && isDefault) return []
  const network: { name: string; aliases?: string[]; ip?: string; mac?: string } = { name: isDefault ? '' : word }
  for (const option of colon < 0 ? [] : text.slice(colon + 1).split(',')) {
    const [key, value] = option.split(/=(.*)/s, 2) as [string, string | undefined]
    if (value === undefined || value === '') throw flagError('network', text, `option ${JSON.stringify(option)} needs a value`)
    if (key === 'alias') throw flagError('network', text, 'aliases need name resolution between containers, which is not there yet')
    if (key === 'ip') network.ip = value
    else if (key === 'mac') network.mac = value
    else throw flagError('network', text, `unknown bridge network option: ${key}`)
  }
  return [network]
}
