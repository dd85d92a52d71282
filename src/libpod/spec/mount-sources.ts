/** What mount options ask of the host side: ownership (U), shared propagation, SELinux labels (z, Z). */
import { existsSync, realpathSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { chownTree } from '../../host/fs/chown-tree.ts'
import { readMountInfo } from '../../host/mount/mountinfo.ts'
import type { ResolvedMount } from '../types.ts'

const systemDirectories = new Set([
  '/', '/bin', '/boot', '/dev', '/etc', '/etc/passwd', '/etc/group', '/etc/shadow', '/home', '/lib', '/lib32', '/lib64', '/media', '/mnt',
  '/opt', '/proc', '/root', '/run', '/sbin', '/srv', '/sys', '/tmp', '/usr', '/var', '/var/lib', '/var/log',
])

/**
 * Changes owners for `U`, and checks that the source can propagate for `shared`/`slave`. `z`/`Z` mean nothing without SELinux, as
 * in podman. Throws CHOWN_REFUSED for a system directory, NOT_SHARED, LABEL where SELinux runs (labels are not supported yet).
 */
export function prepareMountSources(mounts: readonly ResolvedMount[], owner: { uid: number; gid: number }): void {
  for (const mount of mounts) {
    if (mount.type === 'tmpfs') continue
    if (mount.options.includes('U')) chownSource(mount, owner)
    if (mount.options.includes('z') || mount.options.includes('Z')) checkRelabel(mount)
    const propagation = mount.options.find((option) => /^r?(shared|slave)$/.test(option))
    if (propagation !== undefined) checkPropagation(mount, propagation)
  }
}

function chownSource(mount: ResolvedMount, owner: { uid: number; gid: number }): void {
  const source = realpathSync(mount.source)
  if (systemDirectories.has(source)) {
    throw new TpodError('CHOWN_REFUSED', `mount ${mount.source} at ${mount.destination} with U: changing the owner of ${source} is not allowed, it belongs to the system`)
  }
  chownTree(source, owner)
}

function checkRelabel(mount: ResolvedMount): void {
  if (!existsSync('/sys/fs/selinux/enforce')) return
  throw new TpodError('LABEL', `mount ${mount.source} at ${mount.destination}: SELinux relabelling (z, Z) is not supported yet`, {
    remedy: `chcon -R -t container_file_t ${mount.source}, and leave z or Z out`,
  })
}

/** The runtime would fail later, and say less. */
function checkPropagation(mount: ResolvedMount, propagation: string): void {
  const { mountpoint, tags } = mountOf(realpathSync(mount.source))
  const isShared = tags.some((tag) => tag.startsWith('shared:'))
  const isSlave = tags.some((tag) => tag.startsWith('master:'))
  if (isShared || (propagation.endsWith('slave') && isSlave)) return
  throw new TpodError('NOT_SHARED', `mount ${mount.source} at ${mount.destination}: path ${mount.source} is mounted on ${mountpoint} but it is not a shared${propagation.endsWith('slave') ? ' or slave' : ''} mount`, {
    remedy: `mount --make-rshared ${mountpoint}`,
  })
}

function mountOf(path: string): { mountpoint: string; tags: string[] } {
  let best = { mountpoint: '/', tags: [] as string[] }
  for (const { mountPoint, propagation } of readMountInfo()) {
    const isAbove = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`)
    // Later lines lie on top of earlier ones at the same place.
    if (isAbove && mountPoint.length >= best.mountpoint.length) best = { mountpoint: mountPoint, tags: propagation }
  }
  return best
}
