/** --device, --device-cgroup-rule and --ulimit. */
import { TpodError } from '../../../errors/tpod-error.ts'
import type { DeviceRequest, Ulimit } from '../../types.ts'
import type { DeviceRule } from '../../../oci/runtime-types.ts'
import { flagError } from './flag-error.ts'

/** `HOST[:CONTAINER][:rwm]`. That the device exists is checked when the container starts. Throws BAD_FLAG. */
export function parseDeviceFlag(text: string): DeviceRequest {
  const parts = text.split(':')
  const [hostPath, second, third] = parts as [string, string | undefined, string | undefined]
  if (parts.length > 3) throw flagError('device', text, `invalid device specification: ${text}`)
  if (/^[^/]+\/[^/]+=/.test(text)) throw flagError('device', text, 'CDI devices are not supported yet')
  if (!hostPath.startsWith('/')) throw flagError('device', text, 'the device must be an absolute path')
  let containerPath = hostPath
  let permissions = 'rwm'
  if (second !== undefined && second !== '') {
    if (second.startsWith('/')) containerPath = second
    else if (third === undefined && isDeviceMode(second)) permissions = second
    else throw flagError('device', text, `invalid device mode: ${second}`)
  }
  if (third !== undefined) {
    if (!isDeviceMode(third)) throw flagError('device', text, `invalid device mode: ${third}`)
    permissions = third
  }
  return { hostPath, containerPath, permissions }
}

function isDeviceMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length
}

/** `c 10:200 rwm`, `b *:* r`, `a`; a missing minor number means all. Throws BAD_FLAG in podman's words. */
export function parseDeviceCgroupRule(text: string): DeviceRule {
  if (text === 'a') return { allow: true, type: 'a', access: 'rwm' }
  const refuse = (why: string): TpodError => new TpodError('BAD_FLAG', why, { remedy: '--device-cgroup-rule takes "TYPE MAJOR:MINOR ACCESS", such as "c 10:200 rwm"' })
  const [type = '', numbers = '', access = '', ...rest] = text.split(' ')
  if (access === '' || rest.length > 0) throw refuse(`invalid device cgroup rule requires type, major:Minor, and access rules: ${JSON.stringify(text)}`)
  if (!['a', 'b', 'c'].includes(type)) throw refuse(`invalid device type in device-access-add: ${type}`)
  const wrong = [...access].find((letter) => !'rwm'.includes(letter))
  if (wrong !== undefined) throw refuse(`invalid device access in device-access-add: ${wrong}`)
  const [major = '*', minor = '*'] = numbers.split(':', 2)
  const bad = [major, minor].find((number) => !/^(\d+|\*)$/.test(number))
  if (bad !== undefined) throw refuse(`invalid device number in --device-cgroup-rule ${JSON.stringify(text)}: ${JSON.stringify(bad)}`)
  return {
    allow: true, type: type as 'a' | 'b' | 'c', access,
    ...(major === '*' ? {} : { major: Number(major) }), ...(minor === '*' ? {} : { minor: Number(minor) }),
  }
}

const ulimitNames = new Set([
  'as', 'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack',
])

/**
 * `NAME=SOFT[:HARD]`, -1 is unlimited; a leading `RLIMIT_` is allowed. -1 in the result means unlimited.
 * (`--ulimit host` is a switch of its own: ContainerSpec.ulimitHost.) Throws BAD_FLAG.
 */
export function parseUlimitFlag(text: string, flag = 'ulimit'): Ulimit {
  const match = /^([A-Za-z_]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text)
  if (match === null) throw flagError(flag, text, `ulimit option ${JSON.stringify(text)} requires name=SOFT:HARD`)
  const name = (match[1] as string).toLowerCase().replace(/^rlimit_/, '')
  if (!ulimitNames.has(name)) throw flagError(flag, text, `invalid ulimit type: ${match[1]}`)
  const soft = Number(match[2])
  const hard = match[3] === undefined ? soft : Number(match[3])
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw flagError(flag, text, `ulimit soft limit must be less than or equal to hard limit: ${match[2]} > ${hard}`)
  }
  return { name, soft, hard }
}
