/** The store: can overlay be mounted on it, is there room, is it a file system that can hold layers. */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { findProgram, probe, readText } from '../probe.ts'
import { fail, install, ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'
import { checkDevice } from './network.ts'

const LITTLE_SPACE_BYTES = 2 * 2 ** 30
const FEW_INODES = 100_000

/** statfs(2) f_type. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: 'ext4', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x01021994: 'tmpfs', 0x6969: 'nfs', 0x794c7630: 'overlay', 0x2fc12fc1: 'zfs',
  0xff534d42: 'cifs', 0xfe534d42: 'smb2', 0x65735546: 'fuse', 0xf2f52010: 'f2fs', 0x01021997: '9p',
}
const REMOTE = new Set(['nfs', 'cifs', 'smb2', '9p'])

export const storageChecks: readonly Check[] = [
  { id: 'storage.root', run: async (context) => await Promise.resolve(checkRoot(context)) },
  { id: 'storage.overlay', run: checkOverlay },
  { id: 'storage.fuse', run: async (context) => await Promise.resolve([checkFuse(context)]) },
  { id: 'storage.propagation', run: async () => await Promise.resolve([checkPropagation(readFileSync('/proc/self/mountinfo', 'utf8'))]) },
  { id: 'storage.leftovers', run: async (context) => await Promise.resolve([checkLeftovers(context)]) },
]

function checkRoot({ graphRoot, uid }: DoctorContext): Finding[] {
  const place = nearestExisting(graphRoot)
  const findings: Finding[] = []
  try {
    accessSync(place, constants.W_OK | constants.X_OK)
    findings.push(ok('storage.writable', place === graphRoot ? `${graphRoot} can be written` : `${graphRoot} will be made in ${place}`))
  } catch {
    findings.push(fail('storage.writable', `${place} cannot be written`, uid === 0 ? `mount -o remount,rw ${place}, or choose another store with --root` : `sudo chown -R $USER ${place}, or choose another store with --root`))
  }
  const facts = statfsSync(place)
  const type = FILE_SYSTEMS[facts.type >>> 0] ?? `file system 0x${(facts.type >>> 0).toString(16)}`
  if (REMOTE.has(type)) findings.push(fail('storage.filesystem', `${graphRoot} is on ${type}: layers cannot be kept there`, 'put the store on a local disk: graphroot in storage.conf, or --root'))
  else findings.push(ok('storage.filesystem', `${graphRoot} is on ${type}`))
  const freeBytes = facts.bavail * facts.bsize
  const shown = `${(freeBytes / 1e9).toFixed(1)} GB free at ${place}`
  findings.push(freeBytes >= LITTLE_SPACE_BYTES ? ok('storage.space', shown) : warn('storage.space', `only ${shown}`, 'tpod rmi what is not needed, or move the store (graphroot in storage.conf)'))
  // btrfs and zfs count no inodes.
  if (facts.files > 0 && facts.ffree < FEW_INODES) findings.push(warn('storage.inodes', `only ${facts.ffree} inodes free at ${place}`, 'tpod rmi what is not needed: images hold many small files'))
  return findings
}

/** Mounts an overlay on the store's file system, in a mount namespace that ends with the probe. */
async function checkOverlay(context: DoctorContext): Promise<Finding[]> {
  const unshare = findProgram(context, 'unshare')
  if (unshare === undefined) return [warn('storage.overlay', 'cannot be tried without unshare', install('util-linux'))]
  let directory: string
  try {
    directory = mkdtempSync(`${nearestExisting(context.graphRoot)}/.tpod-doctor-`)
  } catch {
    // storage.writable says it.
    return []
  }
  try {
    for (const name of ['lower', 'upper', 'work', 'merged']) mkdirSync(`${directory}/${name}`)
    const options = `lowerdir=lower,upperdir=upper,workdir=work${context.uid === 0 ? '' : ',userxattr'}`
    const script = `cd "$1" && mount -t overlay overlay -o ${options} merged && : > merged/file && test -e upper/file`
    const flags = context.uid === 0 ? ['--mount'] : ['--map-root-user', '--mount']
    const result = await probe(unshare, [...flags, 'sh', '-c', script, 'sh', directory])
    if (result.isOk) return [ok('storage.overlay', 'overlay works on the store')]
    const fix = context.uid === 0
      ? 'modprobe overlay; on xfs the file system must have been made with ftype=1; an overlay cannot stand on an overlay: put the store on a volume'
      : `a kernel of 5.13 or later mounts overlay for users; else ${install('fuse-overlayfs')}`
    return [fail('storage.overlay', 'overlay cannot be mounted on the store', fix, result.complaint.split('\n')[0])]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function checkFuse(context: DoctorContext): Finding {
  const path = findProgram(context, 'fuse-overlayfs')
  if (path === undefined) return ok('storage.fuse', 'fuse-overlayfs is not installed: needed only where the kernel has no overlay for users')
  const device = checkDevice(context, '/dev/fuse', 'storage.fuse', 'modprobe fuse; chmod 0666 /dev/fuse')
  return device.status === 'ok' ? ok('storage.fuse', `${path} and /dev/fuse are there`) : device
}

/** Whether mounts made later on the host reach volumes with :rshared or :rslave. */
export function checkPropagation(mountinfo: string): Finding {
  const root = mountinfo.split('\n').findLast((line) => line.split(' ')[4] === '/')
  if (root === undefined || /^[^-]* shared:\d+/.test(root)) return ok('storage.propagation', '/ is a shared mount')
  return warn('storage.propagation', '/ is a private mount: volumes with :rshared or :rslave see no later mounts', 'mount --make-rshared /')
}

/** Records of containers from before a reboot are normal; directories that nobody knows are not. */
function checkLeftovers({ graphRoot, runRoot }: DoctorContext): Finding {
  const left: string[] = []
  for (const directory of [`${graphRoot}/tpod/containers`, `${runRoot}/tpod/network/containers`]) {
    for (const name of listDirectory(directory)) if (name.startsWith('.tmp-') || name.startsWith('.del-')) left.push(`${directory}/${name}`)
  }
  for (const id of listDirectory(`${graphRoot}/tpod/containers`)) {
    if (/^[0-9a-f]{64}$/.test(id) && readText(`${graphRoot}/tpod/containers/${id}/config.json`) === undefined) left.push(`${graphRoot}/tpod/containers/${id}`)
  }
  if (left.length === 0) return ok('storage.leftovers', 'no traces of interrupted commands')
  return warn('storage.leftovers', `${left.length} traces of interrupted commands`, `when no tpod command runs: rm -r ${left.slice(0, 5).join(' ')}${left.length > 5 ? ' …' : ''}`, left.join('\n'))
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function nearestExisting(path: string): string {
  let place = path
  while (!existsSync(place)) place = dirname(place)
  return place
}
