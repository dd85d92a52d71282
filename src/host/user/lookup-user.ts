/** Who `--user` means, by the container's own /etc/passwd and /etc/group; rules and messages as runc and podman have them. */
import { TpodError } from '../../errors/tpod-error.ts'
import { readFileInRoot } from '../fs/in-root.ts'
import type { Root } from '../fs/in-root.ts'

export interface ContainerUser {
  uid: number
  gid: number
  /** '' when /etc/passwd has no entry for the uid. */
  name: string
  /** '/' when /etc/passwd has no entry. */
  home: string
  /**
   * The memberships, unless a group was asked for, and --group-add. For a user who was asked for also gid itself: without it
   * a set-gid program could drop the group, and with it what the group is denied (CVE-2022-2989).
   */
  additionalGids: number[]
  /** False: an entry for `uid` would have to be added to /etc/passwd. */
  isInPasswd: boolean
  /** False: likewise for gid and /etc/group. */
  isInGroup: boolean
}

export interface PasswdEntry { name: string; uid: number; gid: number; home: string }
export interface GroupEntry { name: string; gid: number; members: string[] }

/** Databases of hostile images are read to this size at most. */
const maxDatabaseBytes = 8 * 1024 * 1024
const maxId = 2 ** 31 - 1

/**
 * @param text `user[:group]`, each a name or a number; '' is root.
 * @param groupAdd names or numbers.
 * Throws NO_SUCH_USER, NO_SUCH_GROUP; NOT_REGULAR, TOO_LARGE for odd databases.
 */
export function lookupUser(root: Root, text: string, groupAdd: readonly string[] = []): ContainerUser {
  const colon = text.indexOf(':')
  const userText = colon < 0 ? text : text.slice(0, colon)
  const groupText = colon < 0 ? '' : text.slice(colon + 1)
  const passwd = parsePasswd(readDatabase(root, '/etc/passwd'))
  const groups = parseGroup(readDatabase(root, '/etc/group'))
  const entry = findEntry(passwd, userText, (candidate) => candidate.uid) ?? undefined
  const uid = entry?.uid ?? numericId(userText === '' ? '0' : userText, () => new TpodError('NO_SUCH_USER', `unable to find user ${userText}: no matching entries in passwd file`, { exitCode: 126 }))
  const gid = groupText === '' ? (entry?.gid ?? 0) : groupId(groups, groupText)
  const memberships = groupText !== '' || entry === undefined ? [] : groups.filter((group) => group.members.includes(entry.name)).map((group) => group.gid)
  const added = groupAdd.map((name) => groupId(groups, name))
  return {
    uid, gid,
    name: entry?.name ?? '',
    home: entry === undefined || entry.home === '' ? '/' : entry.home,
    additionalGids: [...new Set([...(text === '' ? [] : [gid]), ...memberships, ...added])],
    isInPasswd: entry !== undefined,
    isInGroup: groups.some((group) => group.gid === gid),
  }
}

/** Lines that cannot be read are skipped, as getpwent(3) does. */
export function parsePasswd(content: string): PasswdEntry[] {
  return content.split('\n').flatMap((line) => {
    const [name, , uid, gid, , home = ''] = line.split(':')
    return name === undefined || name === '' || name.startsWith('#') || !isId(uid) || !isId(gid) ? [] : [{ name, uid: Number(uid), gid: Number(gid), home }]
  })
}

function parseGroup(content: string): GroupEntry[] {
  return content.split('\n').flatMap((line) => {
    const [name, , gid, members = ''] = line.split(':')
    return name === undefined || name === '' || name.startsWith('#') || !isId(gid) ? [] : [{ name, gid: Number(gid), members: members.split(',').filter((member) => member !== '') }]
  })
}

/** A name wins over a number of the same spelling, as in runc. */
function findEntry<T extends { name: string }>(entries: readonly T[], text: string, idOf: (entry: T) => number): T | undefined {
  const wanted = text === '' ? '0' : text
  return entries.find((entry) => entry.name === text) ?? (isId(wanted) ? entries.find((entry) => idOf(entry) === Number(wanted)) : undefined)
}

function groupId(groups: readonly GroupEntry[], text: string): number {
  const found = findEntry(groups, text, (group) => group.gid)
  return found?.gid ?? numericId(text, () => new TpodError('NO_SUCH_GROUP', `unable to find group ${text}: no matching entries in group file`, { exitCode: 126 }))
}

function numericId(text: string, missing: () => TpodError): number {
  if (!/^\d+$/.test(text)) throw missing()
  const id = Number(text)
  if (id > maxId) throw new TpodError('NO_SUCH_USER', `user or group ${text}: uids and gids must be in range 0-${maxId}`, { exitCode: 126 })
  return id
}

function isId(text: string | undefined): boolean {
  return text !== undefined && /^\d+$/.test(text) && Number(text) <= maxId
}

function readDatabase(root: Root, path: string): string {
  return readFileInRoot(root, path, maxDatabaseBytes)?.toString('latin1') ?? ''
}
