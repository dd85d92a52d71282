/** The mount table, proc(5) "mountinfo". */
import { closeSync, readFileSync } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { At, Open, Resolve } from '../native/constants.ts'
import { native } from '../native/native.ts'

export interface MountEntry {
  id: number
  parentId: number
  major: number
  minor: number
  /** The directory of the file system that is mounted here. */
  root: string
  mountPoint: string
  options: string
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable`. */
  propagation: string[]
  fstype: string
  source: string
  superOptions: string
}

function unescapeField(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))
}

/** Parses one line; undefined for a line that is not of this format. */
export function parseMountInfoLine(line: string): MountEntry | undefined {
  const separator = line.indexOf(' - ')
  if (separator < 0) return undefined
  const [id, parentId, device, root, mountPoint, options, ...propagation] = line.slice(0, separator).split(' ')
  const [fstype, source, superOptions] = line.slice(separator + 3).split(' ')
  if (device === undefined || root === undefined || mountPoint === undefined || fstype === undefined) return undefined
  const [major, minor] = device.split(':')
  return {
    id: Number(id),
    parentId: Number(parentId),
    major: Number(major),
    minor: Number(minor),
    root: unescapeField(root),
    mountPoint: unescapeField(mountPoint),
    options: options ?? '',
    propagation: propagation.filter((word) => word !== ''),
    fstype: unescapeField(fstype),
    source: unescapeField(source ?? ''),
    superOptions: unescapeField(superOptions ?? ''),
  }
}

/** All mounts that process `pid` sees, in the kernel's order (a later entry lies over an earlier one). */
export function readMountInfo(pid: number | 'self' = 'self'): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
    const entry = parseMountInfoLine(line)
    if (entry !== undefined) entries.push(entry)
  }
  return entries
}

/**
 * Whether something is mounted on `path` itself (a bind mount counts, a symlink to a mount does not). Costs two
 * system calls, however many mounts there are. False where nothing is.
 */
export function isMountPoint(path: string): boolean {
  const trimmed = path.replace(/\/+$/, '')
  if (trimmed === '') return path !== ''
  const slash = trimmed.lastIndexOf('/')
  const name = trimmed.slice(slash + 1)
  const parent = slash < 0 ? '.' : trimmed.slice(0, slash) || '/'
  // Their parent cannot be had by cutting the text.
  if (name === '.' || name === '..') return readMountInfo().some((entry) => entry.mountPoint === trimmed)
  let parentFd: number | undefined
  try {
    parentFd = native.openat2(At.AT_FDCWD, parent, Open.O_PATH | Open.O_DIRECTORY, 0, 0)
    closeSync(native.openat2(parentFd, name, Open.O_PATH | Open.O_NOFOLLOW, 0, Resolve.RESOLVE_NO_XDEV))
    return false
  } catch (error) {
    const code = errorCode(error)
    if (code === 'EXDEV') return true
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw error
  } finally {
    if (parentFd !== undefined) closeSync(parentFd)
  }
}
