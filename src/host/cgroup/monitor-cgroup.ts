/** Where a container's monitor lives, and how moving processes between groups is kept from costing a start 20 ms. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { native } from '../native/native.ts'
import type { CgroupInfo } from './detect.ts'

/**
 * The kernel lets a process change its group only after a grace period (5 to 20 ms of waiting), unless another change has just
 * waited for one. A change begun now, of this process to the group where it is, lets the runtime's own, some milliseconds
 * later, pass at once. Nobody waits for it here; without permission nothing happens.
 */
export function hastenNextMove(cgroups: CgroupInfo): void {
  for (const { controllers, path } of readOwnGroups()) {
    const mount = controllers === '' ? cgroups.v2Mount : cgroups.v1Mounts.get(controllers.split(',')[0] as string)
    if (mount !== undefined) return native.writeEachLater([`${mount}${path}/cgroup.procs`], '0')
  }
}

/**
 * Puts the monitor into PARENT/conmon of each hierarchy, where podman puts its own with cgroupfs: limits and stops of the group
 * that this command was started in are not for the container's monitor. Best effort, as in podman: an unmovable monitor works too.
 */
export function moveMonitor(cgroups: CgroupInfo, parent: string, pid: number): void {
  // A new cpuset group has no processors and takes nobody.
  const mounts = new Set([...cgroups.v1Mounts].filter(([name]) => name !== 'cpuset').map(([, mount]) => mount))
  if (cgroups.v2Mount !== undefined) mounts.add(cgroups.v2Mount)
  const groups = [...mounts].map((mount) => `${mount}${parent}/conmon`).filter(hasGroup)
  native.writeEachLater(groups.map((group) => `${group}/cgroup.procs`), String(pid))
}

function hasGroup(directory: string): boolean {
  try {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o755 })
    return true
  } catch {
    // A hierarchy that is read-only or not ours.
    return false
  }
}

interface OwnGroup { controllers: string; path: string }

/** proc(5): hierarchy:controllers:path; v2's, which has no controllers, first here. */
function readOwnGroups(): OwnGroup[] {
  return readFileSync('/proc/self/cgroup', 'latin1').split('\n').filter((line) => line !== '').map((line) => {
    const [, controllers = '', ...path] = line.split(':')
    return { controllers, path: path.join(':').replace(/\/$/, '') }
  }).reverse()
}
