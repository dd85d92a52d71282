/** Mount options as words (fstab, OCI spec, `-v …:ro,z`) turned into what mount(2) takes. */
import { Mount } from '../native/constants.ts'

export interface ParsedMountOptions {
  /** To set. */
  flags: number
  /** Asked off explicitly (`rw`, `suid`, …): matters to a remount only. */
  clearedFlags: number
  /** MS_SHARED, MS_PRIVATE, MS_SLAVE or MS_UNBINDABLE, with MS_REC for the r-forms; one further mount(2) call each. */
  propagation: number[]
  /** What the file system itself interprets. */
  data: string
}

const setWords: Readonly<Record<string, number>> = {
  ro: Mount.MS_RDONLY,
  nosuid: Mount.MS_NOSUID,
  nodev: Mount.MS_NODEV,
  noexec: Mount.MS_NOEXEC,
  sync: Mount.MS_SYNCHRONOUS,
  dirsync: Mount.MS_DIRSYNC,
  remount: Mount.MS_REMOUNT,
  mand: Mount.MS_MANDLOCK,
  nosymfollow: Mount.MS_NOSYMFOLLOW,
  noatime: Mount.MS_NOATIME,
  nodiratime: Mount.MS_NODIRATIME,
  bind: Mount.MS_BIND,
  rbind: Mount.MS_BIND | Mount.MS_REC,
  relatime: Mount.MS_RELATIME,
  strictatime: Mount.MS_STRICTATIME,
  lazytime: Mount.MS_LAZYTIME,
  iversion: Mount.MS_I_VERSION,
  silent: Mount.MS_SILENT,
}

const clearWords: Readonly<Record<string, number>> = {
  rw: Mount.MS_RDONLY,
  suid: Mount.MS_NOSUID,
  dev: Mount.MS_NODEV,
  exec: Mount.MS_NOEXEC,
  async: Mount.MS_SYNCHRONOUS,
  nomand: Mount.MS_MANDLOCK,
  symfollow: Mount.MS_NOSYMFOLLOW,
  atime: Mount.MS_NOATIME,
  diratime: Mount.MS_NODIRATIME,
  norelatime: Mount.MS_RELATIME,
  nostrictatime: Mount.MS_STRICTATIME,
  nolazytime: Mount.MS_LAZYTIME,
  noiversion: Mount.MS_I_VERSION,
  loud: Mount.MS_SILENT,
}

const propagationWords: Readonly<Record<string, number>> = {
  shared: Mount.MS_SHARED,
  rshared: Mount.MS_SHARED | Mount.MS_REC,
  private: Mount.MS_PRIVATE,
  rprivate: Mount.MS_PRIVATE | Mount.MS_REC,
  slave: Mount.MS_SLAVE,
  rslave: Mount.MS_SLAVE | Mount.MS_REC,
  unbindable: Mount.MS_UNBINDABLE,
  runbindable: Mount.MS_UNBINDABLE | Mount.MS_REC,
}

/** Of contradicting words the last one holds. Words that are no flags go to `data`, in their order. */
export function parseMountOptions(words: readonly string[]): ParsedMountOptions {
  const parsed: ParsedMountOptions = { flags: 0, clearedFlags: 0, propagation: [], data: '' }
  const data: string[] = []
  for (const word of words) {
    const set = setWords[word]
    const clear = clearWords[word]
    const propagation = propagationWords[word]
    if (set !== undefined) {
      parsed.flags |= set
      parsed.clearedFlags &= ~set
    } else if (clear !== undefined) {
      parsed.flags &= ~clear
      parsed.clearedFlags |= clear
    } else if (propagation !== undefined) {
      parsed.propagation.push(propagation)
    } else if (word !== '' && word !== 'defaults') {
      data.push(word)
    }
  }
  parsed.data = data.join(',')
  return parsed
}
