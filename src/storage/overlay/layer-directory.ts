/** ROOT/overlay/<id>: what the overlay driver keeps for one layer, in the order in which a crash does least harm. */
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { readTextIfExists } from '../../host/fs/read-optional.ts'
import { writeFileAtomicSync } from '../../host/fs/write-file-atomic.ts'
import { removeTree } from '../../host/fs/remove-tree.ts'

const SHORT_ID_LENGTH = 26
const BASE_ROOT_MODE = 0o555

export interface NewLayerDirectory {
  /** ROOT/overlay */
  overlay: string
  id: string
  /** ROOT/overlay/<parent>, maybe of an additional store; absent for a base layer. */
  parentDirectory?: string
  /** Content to move in place of an empty diff; on the same mount. */
  content?: string
}

/**
 * Makes the directory of a layer whose record is already there, marked incomplete. Caller holds the layers write lock.
 * A directory left by a crash under the same id is removed first.
 */
export async function createLayerDirectory({ overlay, id, parentDirectory, content }: NewLayerDirectory): Promise<void> {
  const directory = `${overlay}/${id}`
  const lower = parentDirectory === undefined ? undefined : lowerBelow(parentDirectory)
  if (existsSync(directory)) {
    unlinkShortLink(overlay, id)
    await removeTree(directory)
  }
  makeDirectory(directory, 0o700)
  const diff = `${directory}/diff`
  if (content === undefined) makeDirectory(diff, 0o700)
  else renameSync(content, diff)
  inheritRoot(diff, parentDirectory)
  const short = newShortId()
  // The name first: whoever clears away after a crash, podman too, finds the symbolic link only through it.
  writeFileAtomicSync(`${directory}/link`, short, { mode: 0o644, sync: false })
  symlinkSync(`../${id}/diff`, `${overlay}/l/${short}`)
  makeDirectory(`${directory}/work`, 0o700)
  makeDirectory(`${directory}/merged`, 0o700)
  if (lower === undefined) makeDirectory(`${directory}/empty`, 0o700)
  else writeFileAtomicSync(`${directory}/lower`, lower, { mode: 0o644, sync: false })
}

/**
 * The short links of a layer's ancestors, nearest first. They become mount options, and those of a layer on a read-only
 * store come from elsewhere: anything else in the file throws LAYER_DAMAGED.
 */
export function readLower(directory: string): string[] {
  const text = readTextIfExists(`${directory}/lower`)
  const links = text === undefined || text === '' ? [] : text.split(':')
  const wrong = links.find(link => !link.startsWith('l/') || !isShortId(link.slice(2)))
  if (wrong !== undefined) throw damaged(directory, `its lower file has ${JSON.stringify(wrong.slice(0, 100))}, which is no link to a layer`)
  return links
}

/** Whether the short link leads to a layer of that store, and nowhere else: another machine's store may have any link. */
export function leadsToLayer(overlay: string, link: string): boolean {
  const id = /^\.\.\/([^/]+)\/diff$/.exec(readlinkIfLink(`${overlay}/${link}`) ?? '')?.[1]
  if (id === undefined || id === '..') return false
  return [`${overlay}/${id}`, `${overlay}/${id}/diff`].every(path => lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true)
}

/**
 * Removes the symbolic link in overlay/l; comes before the directory, so that no link dangles after a crash.
 * A crash while the layer was made can leave the link without the file that names it: then all links are looked at.
 */
export function unlinkShortLink(overlay: string, id: string): void {
  const short = readTextIfExists(`${overlay}/${id}/link`)
  const names = short !== undefined && isShortId(short) ? [short] : findShortIds(overlay, id)
  for (const name of names) rmSync(`${overlay}/l/${name}`, { force: true })
}

function findShortIds(overlay: string, id: string): string[] {
  return readdirSync(`${overlay}/l`).filter(name => readlinkIfLink(`${overlay}/l/${name}`) === `../${id}/diff`)
}

function readlinkIfLink(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EINVAL') return undefined
    throw error
  }
}

/**
 * Restores lost short links of the given layers, from their link files or, these lost too, the other way round.
 * Caller holds the layers write lock. A layer without directory throws LAYER_DAMAGED.
 */
export function repairShortLinks(overlay: string, ids: readonly string[]): void {
  for (const id of ids) {
    const directory = `${overlay}/${id}`
    if (!existsSync(`${directory}/diff`)) throw damaged(directory, 'its diff directory is missing')
    let short = readTextIfExists(`${directory}/link`)
    if (short === undefined || !isShortId(short)) {
      short = findShortIds(overlay, id)[0] ?? newShortId()
      writeFileAtomicSync(`${directory}/link`, short, { mode: 0o644 })
    }
    if (!existsSync(`${overlay}/l/${short}`)) symlinkSync(`../${id}/diff`, `${overlay}/l/${short}`)
  }
}

/** What the `lower` file of a child of this layer says. */
function lowerBelow(parentDirectory: string): string {
  const short = readTextIfExists(`${parentDirectory}/link`)
  if (short === undefined || !isShortId(short)) throw damaged(parentDirectory, 'its link file is missing')
  return [`l/${short}`, ...readLower(parentDirectory)].join(':')
}

/**
 * Gives the layer's root directory the parent's mode and owner, 0555 for a base layer. What the archive says of its own
 * root (`./`) does not count: containers/storage ignores it too, and both must mount the same `/`.
 */
function inheritRoot(diff: string, parentDirectory: string | undefined): void {
  const parent = parentDirectory === undefined ? undefined : statSync(`${parentDirectory}/diff`)
  const made = statSync(diff)
  const owner = parent ?? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  // chown first: it may clear mode bits.
  if (made.uid !== owner.uid || made.gid !== owner.gid) chownSync(diff, owner.uid, owner.gid)
  chmodSync(diff, parent === undefined ? BASE_ROOT_MODE : parent.mode & 0o7777)
}

/** mkdir whose mode does not depend on the umask. */
function makeDirectory(path: string, mode: number): void {
  mkdirSync(path, { mode })
  if ((statSync(path).mode & 0o7777) !== mode) chmodSync(path, mode)
}

function isShortId(text: string): boolean {
  return /^[A-Z2-7]{26}$/.test(text)
}

function newShortId(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
  // One byte per letter: 256 is a multiple of 32, so the letters are evenly spread.
  return Array.from(randomBytes(SHORT_ID_LENGTH), byte => alphabet[byte % 32]).join('')
}

function damaged(directory: string, why: string): TpodError {
  return new TpodError('LAYER_DAMAGED', `use layer ${directory}: ${why}`, {
    remedy: 'remove the images that use it (tpod rmi) and pull them again',
  })
}
