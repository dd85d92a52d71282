/** `--change` of import and commit: the instructions of a Dockerfile that change an image's config, as podman reads them. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { ContainerConfig } from '../../oci/image-types.ts'
import { findSignal } from '../../oci/signals.ts'

type Instruction = (config: ContainerConfig, value: string, refuse: (why: string) => TpodError) => void

/** Applies the changes in order to a copy of `base`. Throws BAD_CHANGE, in podman's words. */
export function applyConfigChanges(changes: readonly string[], base: ContainerConfig = {}): ContainerConfig {
  const config = structuredClone(base)
  for (const change of changes) {
    const refuse = (why: string): TpodError => new TpodError('BAD_CHANGE', `invalid change ${JSON.stringify(change)} - ${why}`, { remedy: `there are ${Object.keys(instructions).join(', ')}` })
    const [, key, value] = /^([^ ]*) (.*)$/s.exec(change) ?? /^([^=]*)=(.*)$/s.exec(change) ?? []
    if (key === undefined || value === undefined) throw refuse('must be formatted as KEY VALUE')
    const name = key.trim().toUpperCase()
    const instruction = Object.hasOwn(instructions, name) ? instructions[name] : undefined
    if (instruction === undefined) throw refuse(`invalid instruction ${name}`)
    instruction(config, value.trim(), refuse)
  }
  return config
}

const instructions: Readonly<Record<string, Instruction>> = {
  CMD: (config, value) => void (config.Cmd = jsonList(value) ?? ['/bin/sh', '-c', ...(value === '' ? [] : [value])]),
  ENTRYPOINT: (config, value) => void (config.Entrypoint = jsonList(value) ?? (value === '' ? [] : ['/bin/sh', '-c', value])),
  ENV: addEnvironment,
  EXPOSE: addPort,
  LABEL: addLabel,
  ONBUILD: (config, value, refuse) => {
    if (value === '') throw refuse('ONBUILD must be given an argument')
    config.OnBuild = [...(config.OnBuild ?? []), value]
  },
  STOPSIGNAL: (config, value, refuse) => {
    const signal = findSignal(value)
    if (signal === undefined) throw refuse(`KILLSIGNAL must be given a valid signal: invalid signal: ${value}`)
    config.StopSignal = String(signal)
  },
  USER: (config, value, refuse) => {
    if (value === '') throw refuse('must provide a value to USER')
    config.User = value
  },
  VOLUME: (config, value, refuse) => {
    const paths = jsonList(value) ?? value.split(' ')
    if (paths.length === 0) throw refuse('must provide at least one argument to VOLUME')
    if (paths.includes('')) throw refuse('VOLUME paths must not be empty')
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) }
  },
  WORKDIR: (config, value, refuse) => {
    if (value === '') throw refuse('must provide a non-empty WORKDIR')
    config.WorkingDir = joinPath(config.WorkingDir ?? '', value)
  },
}

/** Key and value may each be quoted; a key without `=` has an empty value. A later one of the same key counts. */
function addEnvironment(config: ContainerConfig, value: string, refuse: (why: string) => TpodError): void {
  const { key, text } = splitPair(value)
  if (key === '') throw refuse('ENV must have at least one argument')
  const name = unquoted(key)
  const others = (config.Env ?? []).filter((entry) => !entry.startsWith(`${name}=`))
  config.Env = [...others, `${name}=${unquoted(text ?? '')}`]
}

function addLabel(config: ContainerConfig, value: string, refuse: (why: string) => TpodError): void {
  const { key, text } = splitPair(value)
  if (text === undefined) throw refuse('LABEL must be formatted key=value')
  const name = unquoted(key)
  if (name === '') throw refuse('LABEL must have a non-empty key')
  config.Labels = { ...config.Labels, [name]: unquoted(text) }
}

function addPort(config: ContainerConfig, value: string, refuse: (why: string) => TpodError): void {
  const [port = '', protocol = 'tcp', ...rest] = value.split('/')
  if (rest.length > 0) throw refuse('EXPOSE port must be formatted as PORT[/PROTO]')
  if (!/^[+-]?\d+$/.test(port)) throw refuse('EXPOSE port must be an integer')
  const number = Number(port)
  if (number <= 0 || number > 65535) throw refuse('EXPOSE port must be a valid port number')
  if (!['tcp', 'udp'].includes(protocol.toLowerCase())) throw refuse('EXPOSE protocol must be TCP or UDP')
  config.ExposedPorts = { ...config.ExposedPorts, [`${number}/${protocol.toLowerCase()}`]: {} }
}

function splitPair(value: string): { key: string; text?: string } {
  const equals = value.indexOf('=')
  return equals < 0 ? { key: value } : { key: value.slice(0, equals), text: value.slice(equals + 1) }
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
}

function jsonList(value: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(value)
    if (list === null) return []
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? (list as string[]) : undefined
  } catch {
    return undefined
  }
}

/** Go's filepath.Join: an absolute second path is appended all the same, as podman does. */
function joinPath(first: string, second: string): string {
  const isAbsolute = (first === '' ? second : first).startsWith('/')
  const parts: string[] = []
  for (const part of `${first}/${second}`.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (!isAbsolute) parts.push('..')
  }
  return (isAbsolute ? '/' : '') + parts.join('/') || '.'
}
