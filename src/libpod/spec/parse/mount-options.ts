/** Mount options of -v, --mount and --tmpfs: which exist, which exclude each other, and what podman calls the mistake. */
import { flagError } from './flag-error.ts'

const exclusive: readonly (readonly string[])[] = [
  ['ro', 'rw'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
  ['z', 'Z'],
  ['bind', 'rbind'],
  ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable'],
  ['copy', 'nocopy'],
  ['copyup', 'nocopyup', 'tmpcopyup', 'notmpcopyup'],
  ['noatime', 'strictatime', 'relatime'],
  ['diratime', 'nodiratime'],
  ['sync', 'async'],
]

const bindOptions = new Set([
  'ro', 'rw', 'suid', 'nosuid', 'dev', 'nodev', 'exec', 'noexec', 'z', 'Z', 'U', 'bind', 'rbind', 'private', 'rprivate',
  'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable', 'noatime', 'strictatime', 'relatime',
  'diratime', 'nodiratime', 'no-dereference',
])
const volumeOptions = new Set([...bindOptions, 'copy', 'nocopy'])
const tmpfsOptions = new Set([
  'ro', 'rw', 'suid', 'nosuid', 'dev', 'nodev', 'exec', 'noexec', 'copyup', 'nocopyup', 'tmpcopyup', 'notmpcopyup',
  'noatime', 'strictatime', 'relatime', 'diratime', 'nodiratime', 'sync', 'async', 'U',
])
/** Accepted by other tools, and not something that can be silently dropped here. */
const refused: Readonly<Record<string, string>> = {
  O: 'overlay volumes (O) are not supported yet',
  idmap: 'idmapped mounts are not supported yet',
}

/**
 * Checks options of one mount; duplicates of the same word are dropped. Throws BAD_FLAG naming flag, whole value and the option.
 */
export function checkMountOptions(kind: 'bind' | 'volume' | 'tmpfs', options: readonly string[], flag: string, text: string): string[] {
  const known = kind === 'bind' ? bindOptions : kind === 'volume' ? volumeOptions : tmpfsOptions
  const seen: string[] = []
  for (const option of options) {
    const word = option.split('=', 1)[0] as string
    const why = refused[word]
    if (why !== undefined) throw flagError(flag, text, why)
    const isSized = kind === 'tmpfs' && ['size', 'mode', 'uid', 'gid', 'nr_inodes'].includes(word) && option.includes('=')
    if (!isSized && !known.has(option)) throw flagError(flag, text, `unrecognized option ${JSON.stringify(option)}: invalid mount option`)
    if (isSized) checkTmpfsValue(option, flag, text)
    const group = exclusive.find((words) => words.includes(option))
    const rival = group === undefined ? undefined : seen.find((other) => other !== option && group.includes(other))
    if (rival !== undefined) throw flagError(flag, text, `cannot pass both '${rival}' and '${option}'`)
    if (!seen.includes(option)) seen.push(option)
  }
  return seen
}

function checkTmpfsValue(option: string, flag: string, text: string): void {
  const [name, value] = option.split('=', 2) as [string, string]
  const isGood = name === 'mode' ? /^0?[0-7]{3,4}$/.test(value) : name === 'size' ? /^\d+([kmgKMG]|%)?$/.test(value) : /^\d+$/.test(value)
  if (!isGood) throw flagError(flag, text, `${JSON.stringify(option)}: invalid mount option`)
}
