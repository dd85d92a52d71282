/** How this host's control groups are laid out, from two small reads of /proc and /sys: no process is started. */
import { existsSync, readFileSync } from 'node:fs'

export interface CgroupInfo {
  /** hybrid: v1 controllers beside a v2 hierarchy, which may hold some controllers too. */
  version: 'v1' | 'v2' | 'hybrid'
  /** v1 controller to the directory where its hierarchy is mounted; `name=systemd` included. */
  v1Mounts: ReadonlyMap<string, string>
  /** Directory of the v2 hierarchy, if it is mounted. */
  v2Mount?: string
  /** Controllers that the v2 hierarchy's root offers. */
  v2Controllers: readonly string[]
}

/** Throws what reading /proc/self/mountinfo throws; everything else that is missing counts as "not there". */
export function detectCgroups(mountinfo: string = readFileSync('/proc/self/mountinfo', 'utf8')): CgroupInfo {
  const v1Mounts = new Map<string, string>()
  let v2Mount: string | undefined
  for (const line of mountinfo.split('\n')) {
    const separator = line.indexOf(' - cgroup')
    if (separator < 0) continue
    const mountpoint = unescapeMountinfo(line.split(' ', 5)[4] as string)
    const [type, , options = ''] = line.slice(separator + 3).split(' ')
    if (type === 'cgroup2') {
      // A container engine's own mounts of cgroup2 lie deeper; the first is the host's.
      v2Mount ??= mountpoint
    } else {
      for (const option of options.split(',')) if (!['rw', 'ro', 'xattr', 'noprefix', 'clone_children'].includes(option) && !v1Mounts.has(option)) v1Mounts.set(option, mountpoint)
    }
  }
  const version = v1Mounts.size === 0 ? 'v2' : v2Mount === undefined ? 'v1' : 'hybrid'
  return { version, v1Mounts, ...(v2Mount === undefined ? {} : { v2Mount }), v2Controllers: v2Mount === undefined ? [] : readWords(`${v2Mount}/cgroup.controllers`) }
}

/** True when `controller` (v1's names: cpu, cpuset, memory, pids, blkio, devices, freezer) can limit a container here. */
export function hasController(cgroups: CgroupInfo, controller: string): boolean {
  if (cgroups.v1Mounts.has(controller)) return true
  if (cgroups.version !== 'v2') return false
  // v2 has devices (as BPF) and the freezer in every group, and calls blkio io.
  if (controller === 'devices' || controller === 'freezer') return true
  return cgroups.v2Controllers.includes(controller === 'blkio' ? 'io' : controller)
}

/** True where systemd is PID 1 and its private bus socket or D-Bus can be reached: then it should own the groups. */
export function isSystemdManaging(): boolean {
  return existsSync('/run/systemd/system') && (existsSync('/run/systemd/private') || existsSync('/run/dbus/system_bus_socket'))
}

function readWords(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split(/\s+/).filter((word) => word !== '')
  } catch {
    return []
  }
}

/** mountinfo writes space, tab, newline and backslash as octal. */
function unescapeMountinfo(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
