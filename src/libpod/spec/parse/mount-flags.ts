/** -v, --mount and --tmpfs. Relative host paths are made absolute here, with the caller's directory, once. */
import { posix, resolve } from 'node:path'
import type { MountRequest, TmpfsMount } from '../../types.ts'
import { checkVolumeName } from '../../volume/volume-name.ts'
import { flagError } from './flag-error.ts'
import { checkMountOptions } from './mount-options.ts'

export interface MountFlagContext {
  /** The caller's working directory: `-v ./a:/b` and `--mount src=./a` refer to it. */
  cwd: string
}

/**
 * `[SOURCE:]DESTINATION[:OPTIONS]` of --volume. A source that begins with a slash or a dot is a host path, another word a
 * volume's name; without a source the volume is anonymous. Throws BAD_FLAG.
 */
export function parseVolumeFlag(text: string, context: MountFlagContext): MountRequest {
  const parts = splitEscaped(text)
  if (parts.length > 3 || text === '') throw flagError('volume', text, 'incorrect volume format, should be [host-dir:]ctr-dir[:option]')
  if (parts.length === 1) {
    return { type: 'volume', name: '', destination: containerPath(parts[0] as string, 'volume', text), options: [], copyUp: true }
  }
  const [source, target, optionText] = parts as [string, string, string | undefined]
  const destination = containerPath(target, 'volume', text)
  const options = (optionText ?? '').split(',').filter((option) => option !== '')
  if (source === '') throw flagError('volume', text, 'host directory cannot be empty')
  if (isHostPath(source)) {
    return { type: 'bind', source: hostPath(source, context), destination, options: checkMountOptions('bind', options, 'volume', text) }
  }
  checkVolumeName(source)
  const checked = checkMountOptions('volume', options, 'volume', text)
  return {
    type: 'volume', name: source, destination,
    options: checked.filter((option) => option !== 'copy' && option !== 'nocopy'), copyUp: !checked.includes('nocopy'),
  }
}

/** `DESTINATION[:OPTIONS]` of --tmpfs. Throws BAD_FLAG. */
export function parseTmpfsFlag(text: string): TmpfsMount {
  const [target, optionText, ...rest] = text.split(':')
  if (rest.length > 0 || target === undefined || target === '') throw flagError('tmpfs', text, 'should be ctr-dir[:options]')
  const options = (optionText ?? '').split(',').filter((option) => option !== '')
  return tmpfsRequest(containerPath(target, 'tmpfs', text), checkMountOptions('tmpfs', options, 'tmpfs', text))
}

/** podman's form `type=bind,src=/a,dst=/b,ro`. Types: bind, volume (the default), tmpfs. Throws BAD_FLAG. */
export function parseMountFlag(text: string, context: MountFlagContext): MountRequest {
  const fields = readMountFields(text)
  const { type } = fields
  if (type !== 'bind' && type !== 'volume' && type !== 'tmpfs') {
    const isKnown = ['image', 'devpts', 'glob', 'ramfs', 'artifact'].includes(type)
    throw flagError('mount', text, isKnown ? `type=${type} is not supported yet, use bind, volume or tmpfs` : `invalid filesystem type ${JSON.stringify(type)}`)
  }
  if (fields.target === undefined) throw flagError('mount', text, 'must set volume destination')
  const destination = containerPath(fields.target, 'mount', text)
  const options = checkMountOptions(type, fields.options, 'mount', text)
  if (type === 'tmpfs') {
    if (fields.source !== undefined) throw flagError('mount', text, '"source" option not supported for "tmpfs" mounts')
    return tmpfsRequest(destination, options)
  }
  if (type === 'bind') {
    if (fields.source === undefined || fields.source === '') throw flagError('mount', text, 'must set volume source')
    return { type: 'bind', source: hostPath(fields.source, context), destination, options }
  }
  const name = fields.source ?? ''
  if (name !== '') checkVolumeName(name)
  return {
    type: 'volume', name, destination,
    options: options.filter((option) => option !== 'copy' && option !== 'nocopy'), copyUp: !options.includes('nocopy'),
  }
}

interface MountFields { type: string; source?: string; target?: string; options: string[] }

function readMountFields(text: string): MountFields {
  const fields: MountFields = { type: 'volume', options: [] }
  const seen = new Set<string>()
  for (const part of splitCsv(text)) {
    const equals = part.indexOf('=')
    const key = equals < 0 ? part : part.slice(0, equals)
    const value = equals < 0 ? undefined : part.slice(equals + 1)
    const name = canonicalField[key] ?? key
    if (seen.has(name)) throw flagError('mount', text, `${JSON.stringify(name)} option given more than once: duplicate mount option`)
    seen.add(name)
    applyMountField(fields, name, value, text)
  }
  return fields
}

const canonicalField: Readonly<Record<string, string>> = {
  src: 'source', dst: 'target', destination: 'target', ro: 'readonly', 'bind-propagation': 'propagation', 'tmpfs-size': 'size', 'tmpfs-mode': 'mode', U: 'chown',
}

function applyMountField(fields: MountFields, name: string, value: string | undefined, text: string): void {
  switch (name) {
    case 'type': case 'source': case 'target': {
      if (value === undefined || (value === '' && name !== 'source')) throw flagError('mount', text, `${name}: must provide an argument for option`)
      fields[name] = value
      return
    }
    case 'readonly': fields.options.push(parseSwitch(name, value, text) ? 'ro' : 'rw'); return
    case 'rw': fields.options.push(parseSwitch(name, value, text) ? 'rw' : 'ro'); return
    case 'bind-nonrecursive': fields.options.push(parseSwitch(name, value, text) ? 'bind' : 'rbind'); return
    case 'chown': if (parseSwitch(name, value, text)) fields.options.push('U'); return
    case 'volume-nocopy': fields.options.push(parseSwitch(name, value, text) ? 'nocopy' : 'copy'); return
    case 'relabel': fields.options.push(relabelWord(value, text)); return
    case 'tmpcopyup': case 'notmpcopyup': fields.options.push(name); return
    case 'propagation': fields.options.push(value ?? ''); return
    case 'size': case 'mode': fields.options.push(`${name}=${value ?? ''}`); return
    case 'consistency': return // Docker for Mac's; podman and docker on Linux accept and disregard it.
    default: fields.options.push(value === undefined || value === 'true' ? name : `${name}=${value}`)
  }
}

function parseSwitch(name: string, value: string | undefined, text: string): boolean {
  if (value === undefined || value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw flagError('mount', text, `${name} must be set to true or false, instead received ${JSON.stringify(value)}: invalid mount option`)
}

function relabelWord(value: string | undefined, text: string): string {
  if (value === 'shared') return 'z'
  if (value === 'private') return 'Z'
  throw flagError('mount', text, `relabel can only be 'private' or 'shared'`)
}

function tmpfsRequest(destination: string, options: string[]): TmpfsMount {
  const copyUp = !options.includes('notmpcopyup') && !options.includes('nocopyup')
  return { type: 'tmpfs', destination, copyUp, options: options.filter((option) => !option.endsWith('copyup')) }
}

function containerPath(path: string, flag: string, text: string): string {
  if (path.includes('\0')) throw flagError(flag, text, 'NUL in the path')
  if (!path.startsWith('/')) throw flagError(flag, text, `invalid container path ${JSON.stringify(path)}, must be an absolute path`)
  const clean = posix.normalize(path).replace(/(.)\/+$/, '$1')
  if (clean === '/') throw flagError(flag, text, `invalid container path "/": the container's root cannot be mounted over`)
  return clean
}

function isHostPath(source: string): boolean {
  return source.startsWith('/') || source.startsWith('.')
}

function hostPath(path: string, context: MountFlagContext): string {
  return resolve(context.cwd, path)
}

/** `\:` stands for a colon in a path. */
function splitEscaped(text: string): string[] {
  return text.split(/(?<!\\):/).map((part) => part.replaceAll('\\:', ':'))
}

/** RFC 4180 in one line, as podman reads --mount: `"` quotes a field, `""` is one quote. */
function splitCsv(text: string): string[] {
  const parts: string[] = []
  for (const match of text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) parts.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? '')
  return parts.filter((part) => part !== '')
}
