import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import type { Stats } from 'node:fs'
import { getSystemErrorMessage } from 'node:util'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import { readTextIfExists } from '../../host/fs/read-optional.ts'
import { leadsToLayer, readLower } from './layer-directory.ts'

/** mount(2) takes one page of options, terminating zero included. */
const OPTIONS_LIMIT_BYTES = 4095
const MNT_DETACH = 2

const FLAGS: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  sync: 16,
  noatime: 1024,
  nodiratime: 2048,
  relatime: 1 << 21,
  // Defaults, spelled out in some configurations.
  rw: 0,
  suid: 0,
  dev: 0,
  exec: 0,
}

export interface LayerMount {
  /** ROOT/overlay */
  overlay: string
  /** overlay directories of additional stores, searched for lowers that this one lacks. */
  otherOverlays: readonly string[]
  layerId: string
  /** Where to mount; default overlay/<id>/merged. */
  target?: string
  readOnly: boolean
  /** From storage.conf or the container: `nodev`, `metacopy=on`, … */
  extraOptions: readonly string[]
  volatile: boolean
  userXattr: boolean
  /** SELinux context of all files, '' for none. */
  mountLabel: string
  /** Program that mounts instead of the kernel (fuse-overlayfs). */
  mountProgram?: string
}

/**
 * Mounts the layer over its parents at overlay/<id>/merged (or elsewhere). Caller holds the layers and mountpoints write locks
 * and made sure that nothing is mounted there. ENOENT in the cause means that a lower or its short link is lost.
 */
export async function mountLayer(mount: LayerMount): Promise<string> {
  const directory = `${mount.overlay}/${mount.layerId}`
  if (existsSync(`${directory}/composefs-data`)) {
    throw new TpodError('LAYER_UNSUPPORTED', `mount layer ${mount.layerId}: it is stored in composefs format`, {
      remedy: 'set use_composefs = "false" in storage.conf and pull the image again',
    })
  }
  const isKernelMount = mount.mountProgram === undefined
  if (isKernelMount && readTextIfExists(`${mount.overlay}/.has-mount-program`)?.trim() === 'true') {
    throw new TpodError('MOUNT_PROGRAM_NEEDED', `mount layer ${mount.layerId}: this store was written through a mount program, whose whiteouts the kernel does not understand`, {
      remedy: 'set mount_program in [storage.options.overlay] of storage.conf',
    })
  }
  const { flags, data } = mountOptions(mount)
  const merged = mount.target ?? `${directory}/merged`
  // podman removes the directory when it unmounts a layer.
  if (existsSync(directory) && !existsSync(merged)) mkdirSync(merged, { mode: 0o700 })
  // The kernel refuses to mount again what was once mounted volatile: files could have been lost with the machine.
  if (!mount.readOnly) rmSync(`${directory}/work/work/incompat/volatile`, { recursive: true, force: true })
  try {
    const options = stackOptions(mount)
    if (mount.mountProgram !== undefined) await runMountProgram(mount.mountProgram, [...options, ...data], merged)
    else if (joined(options, data).length <= OPTIONS_LIMIT_BYTES) mountNative(merged, flags, joined(options, data))
    else await mountRelative(mount, flags, data)
  } catch (error) {
    if (error instanceof TpodError) throw error
    throw mountError(mount.layerId, merged, error)
  }
  return merged
}

/** Detaches the mount at path; nothing mounted there is fine. */
export function unmountPath(path: string): void {
  try {
    native.umount2(path, MNT_DETACH)
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'EINVAL' && code !== 'ENOENT') throw error
  }
}

/**
 * Whether a file system is mounted at overlay/<id>/merged, as seen from here. Asks for the device number instead of
 * parsing the mount table: with thousands of mounts that costs milliseconds, and the table also lists hidden ones.
 */
export function isLayerMounted(merged: string): boolean {
  let mounted: Stats | undefined
  try {
    mounted = statSync(merged, { throwIfNoEntry: false })
  } catch (error) {
    // A mount program that died leaves its mount, and each access fails.
    if (errorCode(error) === 'ENOTCONN') return true
    throw error
  }
  if (mounted === undefined) return false
  return mounted.dev !== statSync(merged.slice(0, merged.lastIndexOf('/'))).dev
}

function mountNative(merged: string, flags: number, data: string): void {
  native.mount('overlay', merged, 'overlay', flags, data)
}

function mountOptions(mount: LayerMount): { flags: number; data: string[] } {
  const data: string[] = []
  let flags = 0
  for (const option of mount.extraOptions) {
    const flag = FLAGS[option]
    if (flag !== undefined) flags |= flag
    else if (!data.includes(option)) data.push(option)
  }
  if (mount.volatile && !mount.readOnly && !data.includes('volatile')) data.push('volatile')
  if (mount.userXattr && !data.includes('userxattr')) data.push('userxattr')
  if (mount.mountLabel !== '') data.push(`context="${mount.mountLabel}"`)
  return { flags, data }
}

/** lowerdir=, upperdir=, workdir=; names in `base` are relative to it. */
function stackOptions(mount: LayerMount, base?: string): string[] {
  const from = (overlay: string, name: string) => (overlay === base ? name : `${overlay}/${name}`)
  const at = (name: string) => from(mount.overlay, name)
  const lowers = readLower(`${mount.overlay}/${mount.layerId}`).map(link => from(overlayOf(mount, link), link))
  // A stack needs something below; read-only it needs two.
  if (lowers.length === 0) lowers.push(at(`${mount.layerId}/empty`))
  if (mount.readOnly) return [`lowerdir=${[at(`${mount.layerId}/diff`), ...lowers].join(':')}`]
  return [`lowerdir=${lowers.join(':')}`, `upperdir=${at(`${mount.layerId}/diff`)}`, `workdir=${at(`${mount.layerId}/work`)}`]
}

/** The store that has the lower. */
function overlayOf(mount: LayerMount, link: string): string {
  if (mount.otherOverlays.length === 0 || existsSync(`${mount.overlay}/${link}`)) return mount.overlay
  return mount.otherOverlays.find(overlay => leadsToLayer(overlay, link)) ?? mount.overlay
}

function joined(options: readonly string[], data: readonly string[]): string {
  return [...options, ...data].join(',')
}

/**
 * Deep stacks: names relative to the overlay directory that most lowers are in fit into the page. The working directory
 * belongs to the whole process, so a child changes it.
 */
async function mountRelative(mount: LayerMount, flags: number, data: readonly string[]): Promise<void> {
  const counts = new Map<string, number>()
  for (const link of readLower(`${mount.overlay}/${mount.layerId}`)) counts.set(overlayOf(mount, link), (counts.get(overlayOf(mount, link)) ?? 0) + 1)
  const [base] = [...counts].toSorted((a, b) => b[1] - a[1])[0] ?? [mount.overlay]
  const options = joined(stackOptions(mount, base), data)
  if (options.length > OPTIONS_LIMIT_BYTES) {
    throw new TpodError('TOO_MANY_LAYERS', `mount layer ${mount.layerId}: ${readLower(`${mount.overlay}/${mount.layerId}`).length} lower layers do not fit into one mount`, {
      remedy: 'squash the image: tpod build --squash-all, or export and import it',
    })
  }
  const words = Object.keys(FLAGS).filter(word => (FLAGS[word]! & flags) !== 0)
  await run('mount', ['-i', '--no-canonicalize', '-t', 'overlay', 'overlay', '-o', [...words, options].join(','), mount.target ?? `${mount.overlay}/${mount.layerId}/merged`], base)
}

async function runMountProgram(program: string, options: readonly string[], merged: string): Promise<void> {
  await run(program, ['-o', options.join(','), merged], '/')
}

async function run(program: string, argv: readonly string[], cwd: string): Promise<void> {
  const { execFile } = await import('node:child_process')
  // LIBMOUNT_FORCE_MOUNT2: the newer fsconfig interface limits one option to 255 bytes.
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LIBMOUNT_FORCE_MOUNT2: 'always' }
  await new Promise<void>((resolve, reject) => {
    execFile(program, argv, { cwd, env }, (error, _stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`${program}: ${stderr.trim() || error.message}`, { cause: error }))
    })
  })
}

function mountError(layerId: string, merged: string, error: unknown): TpodError {
  const errno = typeof error === 'object' && error !== null && 'errno' in error && typeof error.errno === 'number' ? error.errno : 0
  const why = errno > 0 ? getSystemErrorMessage(-errno) : error instanceof Error ? error.message : String(error)
  const remedies: Record<string, string> = {
    ENOENT: 'a parent layer is damaged: remove the image and pull it again',
    EPERM: 'run as root, or inside a user namespace with kernel 5.13 or newer',
    ENODEV: 'load the kernel module: modprobe overlay',
  }
  const remedy = remedies[errorCode(error) ?? ''] ?? 'the kernel log (dmesg) has the reason'
  return new TpodError('MOUNT_FAILED', `mount layer ${layerId.slice(0, 12)} on ${merged}: ${why}`, { remedy, cause: error })
}
