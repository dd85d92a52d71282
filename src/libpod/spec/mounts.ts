/** The container's mount table: what every container has, what was asked, and which wins. */
import { existsSync, statSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import type { MountSpec } from '../../oci/runtime-types.ts'
import type { ContainerSpec, ResolvedMount } from '../types.ts'

export interface MountInput {
  spec: ContainerSpec
  mounts: readonly ResolvedMount[]
  /** Files made for this container: destination to host path (/etc/hosts, /etc/resolv.conf, /etc/hostname, /run/.containerenv, …). */
  files: ReadonlyMap<string, string>
  /** Host directory that is the container's /dev/shm (shareable ipc); absent: a tmpfs of its own. */
  shmDirectory?: string
  shmSizeBytes: number
  /** Absent with --cgroups=disabled. */
  hasCgroups: boolean
  procOptions: readonly string[]
  initPath?: string
}

/** Where --init's binary stands in the container. */
export const initMountpoint = '/run/podman-init'

const propagations = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable']

/** In mounting order: parents before children. Throws BIND_SOURCE. */
export function resolveMountTable(input: MountInput): MountSpec[] {
  const asked = input.mounts.map(toMountSpec)
  const taken = new Set(asked.map((mount) => mount.destination))
  const readOnlyTmpfs = input.spec.readOnly && input.spec.readOnlyTmpfs ? ['/run', '/tmp', '/var/tmp'] : []
  const defaults = [
    ...systemMounts(input),
    ...readOnlyTmpfs.map((destination): MountSpec => ({ destination, type: 'tmpfs', source: 'tmpfs', options: ['rw', 'rprivate', 'nosuid', 'nodev', 'tmpcopyup'] })),
    ...fileMounts(input),
  ]
  // A /dev of the user's own comes with all that belongs below it.
  const hidden = (destination: string): boolean => taken.has(destination) || (taken.has('/dev') && destination.startsWith('/dev/'))
  return sortMounts([...defaults.filter((mount) => !hidden(mount.destination)), ...asked])
}

/** `rshared`, `rslave` or undefined: what the root needs for the propagation that some mount asks for. */
export function rootPropagation(mounts: readonly MountSpec[]): string | undefined {
  const words = new Set(mounts.flatMap((mount) => mount.options))
  if (words.has('shared') || words.has('rshared')) return 'shared'
  if (words.has('slave') || words.has('rslave')) return 'rslave'
  return undefined
}

function systemMounts(input: MountInput): MountSpec[] {
  const { spec } = input
  const access = spec.privileged ? 'rw' : 'ro'
  // --read-only-tmpfs=false: nothing in the container can be written to, /dev included.
  const dev = spec.readOnly && !spec.readOnlyTmpfs ? ['ro'] : []
  const mounts: MountSpec[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev', ...input.procOptions] },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'noexec', 'strictatime', 'mode=755', 'size=65536k', ...dev] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  ]
  if (input.hasCgroups) mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['rprivate', 'nosuid', 'noexec', 'nodev', 'relatime', access] })
  const shm = shmMount(input, dev)
  return shm === undefined ? mounts : [...mounts, shm]
}

function shmMount(input: MountInput, access: readonly string[]): MountSpec | undefined {
  const { ipc } = input.spec
  const options = ['nosuid', 'noexec', 'nodev', ...access]
  const source = ipc.mode === 'host' ? '/dev/shm' : input.shmDirectory
  if (ipc.mode === 'none') return undefined
  if (ipc.mode === 'container' && source !== undefined && !existsSync(source)) {
    throw new TpodError('NAMESPACE', `join the ipc namespace of container ${ipc.containerId.slice(0, 12)}: joining it is not allowed: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`, {
      remedy: 'make that container with --ipc shareable',
    })
  }
  if (source !== undefined) return { destination: '/dev/shm', type: 'bind', source, options: ['bind', 'rprivate', ...options] }
  const size = input.shmSizeBytes === 0 ? [] : [`size=${input.shmSizeBytes}`]
  return { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...options, 'mode=1777', ...size] }
}

function fileMounts(input: MountInput): MountSpec[] {
  const access = input.spec.readOnly ? ['ro', 'nosuid', 'noexec', 'nodev'] : []
  const mounts = [...input.files].map(([destination, source]): MountSpec => ({ destination, type: 'bind', source, options: ['bind', 'rprivate', ...access] }))
  if (input.initPath !== undefined) mounts.push({ destination: initMountpoint, type: 'bind', source: input.initPath, options: ['bind', 'rprivate', 'ro'] })
  return mounts
}

function toMountSpec(mount: ResolvedMount): MountSpec {
  if (mount.type === 'tmpfs') {
    const copyUp = mount.copyUp === false ? [] : ['tmpcopyup']
    return { destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options: [...withDefaults(mount.options, ['rw', 'rprivate', 'nosuid', 'nodev']), ...copyUp] }
  }
  checkSource(mount)
  const defaults = mount.type === 'volume' ? ['rw', 'rprivate', 'nosuid', 'nodev', 'rbind'] : ['rw', 'rprivate', 'rbind']
  return { destination: mount.destination, type: 'bind', source: mount.source, options: withDefaults(mount.options, defaults) }
}

const rivals: readonly (readonly string[])[] = [['ro', 'rw'], propagations, ['nosuid', 'suid'], ['nodev', 'dev'], ['noexec', 'exec'], ['bind', 'rbind']]

function withDefaults(options: readonly string[], defaults: readonly string[]): string[] {
  // z, Z and U are done on the host before the container starts; the runtime knows neither.
  const kept = options.filter((option) => !['z', 'Z', 'U', 'no-dereference'].includes(option))
  const missing = defaults.filter((word) => !kept.some((option) => option === word || rivals.some((words) => words.includes(word) && words.includes(option))))
  return [...kept, ...missing]
}

function checkSource(mount: ResolvedMount): void {
  try {
    statSync(mount.source)
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error)
    throw new TpodError('BIND_SOURCE', `mount ${mount.source} at ${mount.destination}: statfs ${mount.source}: ${why}`, { remedy: `mkdir -p ${mount.source}` })
  }
}

/** Stable by depth, so that a mount never hides one that was made below it. */
function sortMounts(mounts: MountSpec[]): MountSpec[] {
  return mounts.map((mount, index) => ({ mount, index })).toSorted((a, b) => depth(a.mount) - depth(b.mount) || a.index - b.index).map(({ mount }) => mount)
}

function depth(mount: MountSpec): number {
  return mount.destination.split('/').length
}
