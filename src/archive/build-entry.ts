/** Joins a tar header with the extension records before it into a TarEntry. */
import { TpodError } from '../errors/tpod-error.ts'
import { toDisplay } from './byte-string.ts'
import type { ByteString } from './byte-string.ts'
import { parseDecimal, parsePaxTime, paxXattrs } from './pax.ts'
import type { PaxRecords } from './pax.ts'
import { oldGnuRuns, parsePaxSparseMap, paxSparseVersion } from './sparse-map.ts'
import { tarLimits } from './tar-entry.ts'
import type { SparseRun, TarEntry, TarEntryKind } from './tar-entry.ts'
import { invalidArchive, numberField } from './tar-header.ts'
import type { TarHeader } from './tar-header.ts'

export interface BuiltEntry {
  entry: TarEntry
  /** Content bytes in the archive, the text map of sparse 1.0 included. */
  storedBytes: number
  /** Where more of the sparse map is: extension blocks after the header, or text at the start of the content. */
  sparse: 'none' | 'blocks' | 'text'
  /** The sparse map, as far as it is known. */
  runs: SparseRun[] | undefined
}

export interface EntryExtensions {
  pax: PaxRecords | undefined
  longName: ByteString | undefined
  longLink: ByteString | undefined
}

const kinds: Readonly<Record<string, TarEntryKind>> = {
  '0': 'file', '7': 'file', S: 'file',
  '1': 'hardlink', '2': 'symlink', '3': 'character', '4': 'block', '5': 'directory', '6': 'fifo',
}

/** Kinds whose size field is ignored: nothing is stored after their header. */
export function isContentless(kind: TarEntryKind): boolean {
  return kind !== 'file'
}

/** Throws ARCHIVE_INVALID, ARCHIVE_LIMIT, or ARCHIVE_UNSUPPORTED for a member type that no layer can hold. */
export function buildEntry(header: TarHeader, block: Buffer, extensions: EntryExtensions): BuiltEntry {
  const kind = kinds[header.typeFlag]
  const name = extensions.longName || header.name
  if (kind === undefined) {
    throw new TpodError('ARCHIVE_UNSUPPORTED', `read the tar archive: ${toDisplay(name)} has the unknown type ${JSON.stringify(header.typeFlag)}`, {
      remedy: 'write the archive with --format=pax or --format=gnu, without multi-volume or incremental options',
    })
  }
  const entry: TarEntry = {
    kind,
    name,
    linkName: extensions.longLink || header.linkName,
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    userName: header.userName,
    groupName: header.groupName,
    sizeBytes: header.sizeBytes,
    mtimeSec: header.mtimeSec,
    mtimeNsec: 0,
    deviceMajor: header.deviceMajor,
    deviceMinor: header.deviceMinor,
    xattrs: undefined,
    sparse: undefined,
  }
  if (extensions.pax !== undefined) applyPax(entry, extensions.pax)
  if (header.isOldStyleFile && entry.name.endsWith('/')) entry.kind = 'directory'
  return finishEntry(entry, header, block, extensions.pax)
}

function finishEntry(entry: TarEntry, header: TarHeader, block: Buffer, pax: PaxRecords | undefined): BuiltEntry {
  const built: BuiltEntry = { entry, storedBytes: entry.sizeBytes, sparse: 'none', runs: undefined }
  if (header.typeFlag === 'S') {
    if (header.dialect !== 'gnu') throw invalidArchive('a sparse member has no GNU header')
    built.runs = oldGnuRuns(block, 386, 4)
    built.sparse = block[482] === 0 ? 'none' : 'blocks'
    entry.sizeBytes = numberField(block, 483, 12, 'real size')
  } else if (pax !== undefined && entry.kind === 'file') {
    applyPaxSparse(built, pax)
  }
  if (entry.kind !== 'file') entry.sizeBytes = 0
  if (entry.sizeBytes < 0 || (entry.kind === 'file' && built.storedBytes < 0)) throw invalidArchive('a size is negative')
  if (entry.uid < 0 || entry.gid < 0 || entry.uid >= 0xffffffff || entry.gid >= 0xffffffff) {
    throw invalidArchive(`the owner of ${toDisplay(entry.name)} is out of range`)
  }
  if (entry.name.length > tarLimits.nameBytes || entry.linkName.length > tarLimits.nameBytes) {
    throw new TpodError('ARCHIVE_LIMIT', `read the tar archive: a name is longer than ${tarLimits.nameBytes} bytes`)
  }
  return built
}

/** An empty value means "as in the header". */
function applyPax(entry: TarEntry, pax: PaxRecords): void {
  entry.name = pax.get('path') || entry.name
  entry.linkName = pax.get('linkpath') || entry.linkName
  entry.userName = pax.get('uname') || entry.userName
  entry.groupName = pax.get('gname') || entry.groupName
  const uid = pax.get('uid')
  const gid = pax.get('gid')
  const size = pax.get('size')
  const mtime = pax.get('mtime')
  if (uid) entry.uid = parseDecimal(uid, 'pax uid')
  if (gid) entry.gid = parseDecimal(gid, 'pax gid')
  if (size) entry.sizeBytes = parseDecimal(size, 'pax size')
  if (mtime) {
    const time = parsePaxTime(mtime)
    entry.mtimeSec = time.seconds
    entry.mtimeNsec = time.nanoseconds
  }
  entry.xattrs = paxXattrs(pax)
}

function applyPaxSparse(built: BuiltEntry, pax: PaxRecords): void {
  const version = paxSparseVersion(pax)
  if (version === undefined) return
  const { entry } = built
  entry.name = pax.get('GNU.sparse.name') || entry.name
  const realSize = pax.get('GNU.sparse.size') || pax.get('GNU.sparse.realsize')
  if (realSize) entry.sizeBytes = parseDecimal(realSize, 'size of a sparse file')
  if (version === '1.0') built.sparse = 'text'
  else built.runs = parsePaxSparseMap(pax)
}
