/** Device nodes and the device cgroup's rules. */
import { readdirSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { deviceMajor, deviceMinor } from '../../host/fs/copy-tree.ts'
import type { DeviceRule, DeviceSpec } from '../../oci/runtime-types.ts'
import type { DeviceRequest } from '../types.ts'
import { parseDeviceCgroupRule } from './parse/device-flags.ts'

export interface DeviceInput {
  requests: readonly DeviceRequest[]
  cgroupRules: readonly string[]
  privileged: boolean
}

/**
 * Nodes to make and rules to allow them; the runtime adds /dev/null and its kin by itself. A directory stands for all
 * devices below it. Privileged containers get every device of the host. Throws DEVICE_MISSING, NOT_A_DEVICE.
 */
export function resolveDevices(input: DeviceInput): { devices: DeviceSpec[]; rules: DeviceRule[] } {
  const extra = input.cgroupRules.map(parseDeviceCgroupRule)
  const found: { device: DeviceSpec; permissions: string }[] = input.privileged ? collect('/dev', '/dev', 'rwm') : []
  for (const request of input.requests) found.push(...requestedDevices(request))
  const devices = [...new Map(found.map(({ device }) => [device.path, device])).values()]
  if (input.privileged) return { devices, rules: [{ allow: true, access: 'rwm' }] }
  const allowed: DeviceRule[] = found.map(({ device, permissions }) => ({
    allow: true, type: device.type === 'b' ? 'b' : 'c', major: device.major, minor: device.minor, access: permissions,
  }))
  return { devices, rules: [{ allow: false, access: 'rwm' }, ...allowed, ...extra] }
}

function requestedDevices(request: DeviceRequest): { device: DeviceSpec; permissions: string }[] {
  let stats: Stats
  try {
    stats = statSync(request.hostPath)
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error)
    throw new TpodError('DEVICE_MISSING', `add --device ${request.hostPath}: stat ${request.hostPath}: ${why}`)
  }
  if (stats.isDirectory()) {
    const devices = collect(request.hostPath, request.containerPath, request.permissions)
    if (devices.length === 0) throw new TpodError('NOT_A_DEVICE', `add --device ${request.hostPath}: no devices in that directory`)
    return devices
  }
  const device = describe(stats, request.containerPath)
  if (device === undefined) throw new TpodError('NOT_A_DEVICE', `add --device ${request.hostPath}: not a device node`)
  return [{ device, permissions: request.permissions }]
}

/** Not the parts of /dev that every container mounts itself, nor the console that is the runtime's to make. */
const skipped = new Set(['/dev/pts', '/dev/shm', '/dev/mqueue', '/dev/fd', '/dev/.lxc', '/dev/.lxd-mounts', '/dev/.udev', '/dev/console'])

function collect(hostDirectory: string, containerDirectory: string, permissions: string): { device: DeviceSpec; permissions: string }[] {
  const found: { device: DeviceSpec; permissions: string }[] = []
  for (const entry of readdirSync(hostDirectory, { withFileTypes: true })) {
    const hostPath = `${hostDirectory}/${entry.name}`
    const path = `${containerDirectory}/${entry.name}`
    if (skipped.has(hostPath)) continue
    if (entry.isDirectory()) found.push(...collect(hostPath, path, permissions))
    else if (entry.isCharacterDevice() || entry.isBlockDevice()) {
      const device = describeIfThere(hostPath, path)
      if (device !== undefined) found.push({ device, permissions })
    }
  }
  return found
}

function describeIfThere(hostPath: string, path: string): DeviceSpec | undefined {
  try {
    return describe(statSync(hostPath), path)
  } catch {
    return undefined // Unplugged between the two calls.
  }
}

function describe(stats: Stats, path: string): DeviceSpec | undefined {
  if (!stats.isCharacterDevice() && !stats.isBlockDevice()) return undefined
  return {
    path, type: stats.isBlockDevice() ? 'b' : 'c', major: deviceMajor(stats.rdev), minor: deviceMinor(stats.rdev),
    fileMode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid,
  }
}
