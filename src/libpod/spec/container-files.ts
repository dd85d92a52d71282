/**
 * What is written for one container before its runtime sees it: files in its bundle directory, and the little that podman
 * changes in the mounted root file system itself. All of it is idempotent: a second start does the same again.
 */
import { copyFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { posix } from 'node:path'
import { TpodError } from '../../errors/tpod-error.ts'
import { appendFileInRoot, makeDirectoryInRoot, readFileInRoot, statInRoot, symlinkInRoot } from '../../host/fs/in-root.ts'
import type { ContainerUser } from '../../host/user/lookup-user.ts'
import type { ContainerConfig } from '../types.ts'

export interface BundleFilesInput {
  config: ContainerConfig
  rootfs: string
  /** RUN/overlay-containers/ID/userdata */
  bundle: string
  user: ContainerUser
}

/** Writes .containerenv, localtime and, where needed, passwd and group; returns what is to be bound where. */
export function writeBundleFiles(input: BundleFilesInput): Map<string, string> {
  const files = new Map<string, string>()
  const { config, bundle } = input
  writeFileSync(`${bundle}/.containerenv`, containerEnv(config))
  files.set('/run/.containerenv', `${bundle}/.containerenv`)
  if (config.spec.timezone) files.set('/etc/localtime', writeLocaltime(config.spec.timezone, bundle))
  if (!input.user.isInPasswd) addEntry(input, files, '/etc/passwd', `${input.user.uid}:*:${input.user.uid}:${input.user.gid}:container user:${config.process.cwd}:/bin/sh\n`)
  if (!input.user.isInGroup) addEntry(input, files, '/etc/group', `${input.user.gid}:x:${input.user.gid}:${input.user.uid}\n`)
  return files
}

/** For programs that look up who they are: an unknown uid gets a line, in place, or in a bound copy when the root is read-only. */
function addEntry(input: BundleFilesInput, files: Map<string, string>, path: string, line: string): void {
  const isMounted = input.config.mounts.some((mount) => path === mount.destination || path.startsWith(`${mount.destination}/`))
  const content = isMounted ? undefined : readFileInRoot(input.rootfs, path, 8 * 1024 * 1024)
  if (content === undefined) return
  const separator = content.length > 0 && content.at(-1) !== 10 ? '\n' : ''
  if (!input.config.spec.readOnly) {
    appendFileInRoot(input.rootfs, path, (fd) => void writeSync(fd, separator + line))
    return
  }
  const copy = `${input.bundle}/${posix.basename(path)}`
  writeFileSync(copy, Buffer.concat([content, Buffer.from(separator + line)]))
  files.set(path, copy)
}

/** Throws BAD_FLAG unless `zone` is `local` or a file of the host's zone database. */
export function checkTimezone(zone: string): string {
  if (zone === 'local') return '/etc/localtime'
  const path = `/usr/share/zoneinfo/${zone}`
  if (posix.normalize(path) !== path || zone.split('/').includes('..')) throw new TpodError('BAD_FLAG', `invalid --tz ${JSON.stringify(zone)}: not a timezone`)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (!stats?.isFile()) throw new TpodError('BAD_FLAG', `invalid --tz ${JSON.stringify(zone)}: stat ${path}: no such file or directory`, { remedy: 'an Area/City name (needs the tzdata package), or local' })
  return path
}

function writeLocaltime(zone: string, bundle: string): string {
  // A copy: labels or owners of the host's database must not change.
  copyFileSync(checkTimezone(zone), `${bundle}/localtime`)
  return `${bundle}/localtime`
}

function containerEnv(config: ContainerConfig): string {
  // podman tells only privileged containers what they run in.
  if (!config.spec.privileged) return ''
  const lines = ['engine="podman-tpod"', `name="${config.name}"`, `id="${config.id}"`, `image="${config.imageName}"`, `imageid="${config.imageId}"`, 'rootless=0']
  return `${lines.join('\n')}\n`
}

/**
 * The working directory exists afterwards: one from the image is made, one that the user named must be there, as in podman.
 * A directory below a mount is the runtime's business. Throws WORKDIR.
 */
export function prepareWorkingDirectory(input: BundleFilesInput): void {
  const { config, rootfs, user } = input
  const { cwd } = config.process
  checkNotProc(cwd)
  if (config.mounts.some((mount) => cwd === mount.destination || cwd.startsWith(`${mount.destination}/`))) return
  // The runtime makes it on the way to the mount.
  if (config.mounts.some((mount) => mount.destination.startsWith(`${cwd}/`))) return
  const found = statInRoot(rootfs, cwd)
  if (found?.isDirectory()) return
  if (found !== undefined) throw new TpodError('WORKDIR', `workdir ${JSON.stringify(cwd)} exists on container ${config.id}, but is not a directory`, { exitCode: 126 })
  if (config.spec.workingDir !== undefined) {
    throw new TpodError('WORKDIR', `workdir ${JSON.stringify(cwd)} does not exist on container ${config.id}`, { exitCode: 126 })
  }
  makeDirectoryInRoot(rootfs, cwd, user)
}

/** Throws WORKDIR. CVE-2024-21626: a working directory such as /proc/self/fd/7 is a way out through a descriptor that the runtime still has open. */
export function checkNotProc(cwd: string): void {
  if (/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(posix.normalize(cwd))) {
    throw new TpodError('WORKDIR', `workdir ${JSON.stringify(cwd)} is not allowed: it lies in a process's own /proc directory`, { exitCode: 126 })
  }
}

/** df and mount in the container read it; only where the image has none and an /etc. */
export function linkMtab(rootfs: string): void {
  symlinkInRoot(rootfs, '/proc/mounts', '/etc', 'mtab')
}
