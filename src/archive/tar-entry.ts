/** One member of a tar archive, after pax and GNU extensions were applied. */
import type { ByteString } from './byte-string.ts'

export type TarEntryKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo'

export interface SparseRun {
  offset: number
  length: number
}

export interface TarEntry {
  kind: TarEntryKind
  /** As written in the archive, not normalised: may be absolute, hold `..` or end with a slash. */
  name: ByteString
  /** Target of a symlink or hardlink, as written. */
  linkName: ByteString
  /** Permission bits with setuid, setgid and sticky (0o7777). */
  mode: number
  uid: number
  gid: number
  userName: ByteString
  groupName: ByteString
  /** Length of the file once unpacked; 0 for anything but a file. */
  sizeBytes: number
  mtimeSec: number
  mtimeNsec: number
  deviceMajor: number
  deviceMinor: number
  /** Extended attributes by name. */
  xattrs: ReadonlyMap<ByteString, Buffer> | undefined
  /** Where the stored bytes go, in order, when the file has holes; undefined for an ordinary file. */
  sparse: readonly SparseRun[] | undefined
}

/**
 * What a hostile archive may make us hold in memory. An archive beyond a limit fails with ARCHIVE_LIMIT;
 * each is far above what real tools write.
 */
export const tarLimits = {
  /** One pax or GNU long-name record. */
  extensionBytes: 1024 * 1024,
  /** All extension records before one member. */
  extensionBytesPerEntry: 4 * 1024 * 1024,
  /** A GNU sparse map, as text or as extension blocks. */
  sparseMapBytes: 8 * 1024 * 1024,
  nameBytes: 4096,
  entries: 4_000_000,
} as const
