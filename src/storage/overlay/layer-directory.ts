/** ROOT/overlay/<id>: what the overlay driver keeps for one layer, in the order in which a crash does least harm. */
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, statSync, symlinkSync, unlinkSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { readTextIfExists } from '../../host/fs/read-optional.ts'
import { writeFileAtomicSync } from '../../host/fs/write-file-atomic.ts'
import { removeTree } from '../../host/fs/remove-tree.ts'

const SHORT_ID_LENGTH = 26

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
  if (content === undefined) makeDiff(diff, parentDirectory)
  else renameSync(content, diff)
  const short = newShortId()
  symlinkSync(`../${id}/diff`, `${overlay}/l/${short}`)
  writeFileAtomicSync(`${directory}/link`, short, { mode: 0o644, sync: false })
  makeDirectory(`${directory}/work`, 0o700)
  makeDirectory(`${directory}/merged`, 0o700)
  if (lower === undefined) makeDirectory(`${directory}/empty`, 0o700)
  else writeFileAtomicSync(`${directory}/lower`, lower, { mode: 0o644, sync: false })
}

/** The short links of a layer's ancestors, nearest first. */
export function readLower(directory: string): string[] {
  const text = readTextIfExists(`${directory}/lower`)
  return text === undefined || text === '' ? [] : text.split(':')
}

/** Removes the symbolic link in overlay/l; comes before the directory, so that no link dangles after a crash. */
export function unlinkShortLink(overlay: string, id: string): void {
  const short = readTextIfExists(`${overlay}/${id}/link`)
  if (short === undefined || !isShortId(short)) return
  try {
    unlinkSync(`${overlay}/l/${short}`)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
}

/**
 * Restores lost short links of the given layers, from their link files or, these lost too, the other way round.
 * Caller holds the layers write lock. A layer without directory throws LAYER_DAMAGED.
 */
export function repairShortLinks(overlay: string, ids: readonly string[]): void {
  let targets: Map<string, string> | undefined
  for (const id of ids) {
    const directory = `${overlay}/${id}`
    if (!existsSync(`${directory}/diff`)) throw damaged(directory, 'its diff directory is missing')
    let short = readTextIfExists(`${directory}/link`)
    if (short === undefined || !isShortId(short)) {
      targets ??= new Map(readdirSync(`${overlay}/l`).map(name => [readlinkSync(`${overlay}/l/${name}`), name]))
      short = targets.get(`../${id}/diff`) ?? newShortId()
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

/** The upper directory becomes the root directory of the container: it takes the parent's mode and owner. */
function makeDiff(diff: string, parentDirectory: string | undefined): void {
  if (parentDirectory === undefined) return makeDirectory(diff, 0o555)
  const parent = statSync(`${parentDirectory}/diff`)
  makeDirectory(diff, parent.mode & 0o7777)
  const made = statSync(diff)
  if (made.uid !== parent.uid || made.gid !== parent.gid) chownSync(diff, parent.uid, parent.gid)
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
