/**
 * System calls that JavaScript runtimes lack. Each function is one thin system call; a failing one throws an
 * Error with `code` ('EPERM'), `errno` (positive number) and `syscall`, and a message "mount /x: EPERM, Operation not permitted".
 * Calls are synchronous on the calling thread (so that chroot/unshare act on a worker thread alone) unless they
 * return a promise: those wait on a thread of their own, never on the runtime's pool.
 * The C side is native/; this file is the only one that knows it, and load.ts the only one that knows how each runtime loads it.
 */
import { loadAddon } from './load.ts'

export const LockType = { read: 0, write: 1, unlock: 2 } as const
export type LockTypeValue = (typeof LockType)[keyof typeof LockType]

/** A path: text, or the bytes of a name that is no UTF-8. One with a NUL inside is refused with EINVAL. */
export type NativePath = string | Uint8Array

export interface Native {
  // --- locks: open-file-description locks on the whole file (fcntl F_OFD_*; they exclude Go's POSIX record locks both ways)
  /** F_OFD_SETLK. False when another owner holds a conflicting lock. */
  tryOfdLock(fd: number, type: LockTypeValue): boolean
  /** F_OFD_SETLKW on its own thread; resolves when the lock is held. Works on a dup of fd, so the caller may close its own. */
  waitOfdLock(fd: number, type: LockTypeValue): Promise<void>
  /** F_OFD_GETLK: who stands in the way (pid -1 for an OFD owner), or null. */
  getOfdLock(fd: number, type: LockTypeValue): { type: LockTypeValue; pid: number } | null

  // --- mounts and namespaces
  mount(source: string | null, target: string, fstype: string | null, flags: number, data: string | null): void
  umount2(target: string, flags: number): void
  /** Calling thread only after unshare(CLONE_FS). */
  chroot(path: string): void
  unshare(flags: number): void
  setns(fd: number, nstype: number): void
  pivotRoot(newRoot: string, putOld: string): void

  // --- files, relative to a directory descriptor (AT_FDCWD = -100). Names that are no UTF-8 are given as bytes.
  /** Always O_CLOEXEC; `mode` counts only with O_CREAT; retried while a rename races with it (EAGAIN). */
  openat2(dirfd: number, path: NativePath, flags: number, mode: number, resolve: number): number
  mkdirat(dirfd: number, path: NativePath, mode: number): void
  mknodat(dirfd: number, path: NativePath, mode: number, major: number, minor: number): void
  symlinkat(target: NativePath, dirfd: number, path: NativePath): void
  linkat(oldDirfd: number, oldPath: NativePath, newDirfd: number, newPath: NativePath, flags: number): void
  unlinkat(dirfd: number, path: NativePath, flags: number): void
  renameat2(oldDirfd: number, oldPath: NativePath, newDirfd: number, newPath: NativePath, flags: number): void
  readlinkat(dirfd: number, path: NativePath): string
  fchownat(dirfd: number, path: NativePath, uid: number, gid: number, flags: number): void
  fchmodat(dirfd: number, path: NativePath, mode: number, flags: number): void
  /** Times in seconds and nanoseconds; mtime only is changed when atimeSec is null (UTIME_OMIT). */
  utimensat(dirfd: number, path: NativePath, atimeSec: number | null, atimeNsec: number, mtimeSec: number, mtimeNsec: number, flags: number): void
  /** l-variants unless `follow`. A missing attribute gives null. */
  getxattr(path: NativePath, name: string, follow?: boolean): Buffer | null
  setxattr(path: NativePath, name: string, value: Uint8Array, follow?: boolean): void
  removexattr(path: NativePath, name: string, follow?: boolean): void
  listxattr(path: NativePath, follow?: boolean): string[]
  /** ext4's hint that the directories in this one are unrelated (FS_TOPDIR_FL, chattr +T). Other file systems refuse it. */
  setTopDirectory(fd: number): void
  syncfsSync(fd: number): void
  syncfs(fd: number): Promise<void>

  // --- processes
  prctl(option: number, arg2: number, arg3?: number, arg4?: number, arg5?: number): number
  pidfdOpen(pid: number, flags?: number): number
  pidfdSendSignal(pidfd: number, signal: number): void
  /** Resolves true when fd is readable (a pidfd: the process ended), false after timeoutMs (-1 waits for ever). */
  waitReadable(fd: number, timeoutMs: number): Promise<boolean>
  /** Infinity where there is no limit. */
  getrlimit(resource: number): { soft: number; hard: number }
  setCloexec(fd: number, on: boolean): void
  pipe(): [read: number, write: number]
  /**
   * Starts a program: `path` is not searched for, `environment` is NAME=VALUE. It gets `fds` as its 0, 1, … (-1: /dev/null) and no
   * other descriptor, default signal handlers, and with `newSession` a session of its own. The pidfd is the caller's to close.
   * Throws the error of execve, too. The end must be taken with waitChild, or a zombie stays.
   */
  spawn(path: string, argv: readonly string[], environment: readonly string[], fds: readonly number[], newSession: boolean): [pid: number, pidfd: number]
  /** Exit status of a child, or minus the signal that ended it. Without `keepsAlive` this process may end meanwhile. */
  waitChild(pidfd: number, keepsAlive: boolean): Promise<number>
  /** Writes `text` to each existing file in turn, on a thread of its own that nobody waits for. Failures are silent. */
  writeEachLater(paths: readonly string[], text: string): void

  // --- sockets and terminals
  /** AF_UNIX SOCK_SEQPACKET, as conmon's attach socket wants it. */
  seqpacketConnect(path: string): number
  shutdown(fd: number, how: number): void
  /** Writes all of data (blocking, poll on EAGAIN). */
  writeAll(fd: number, data: Uint8Array): void
  /**
   * Reads fd on a thread of its own until end of file or error. `onData(null, chunk)` a read; `onData(null, null)` the end;
   * `onData(error, null)` a failure. The returned function stops it (idempotent); the fd stays the caller's to close,
   * after the end was reported or stop() was called.
   */
  readLoop(fd: number, chunkBytes: number, onData: (error: Error | null, chunk: Buffer | null) => void): () => void
  getWinsize(fd: number): { rows: number; columns: number } | null
  setWinsize(fd: number, rows: number, columns: number): void
  /** Raw mode; the returned bytes restore the former one. */
  setRaw(fd: number): Buffer
  restoreTermios(fd: number, saved: Uint8Array): void

  // --- network
  /**
   * Sends netlink messages (several in one buffer, of one protocol) and returns the kernel's answers, concatenated: each
   * message that asks for an acknowledgement or a dump is waited for. `netnsFd` opens the socket in that network
   * namespace, -1 in the caller's. Answers carry their own error numbers; only the transport throws.
   */
  netlinkRequest(protocol: number, messages: Uint8Array, netnsFd: number): Buffer
  /**
   * Binds (and for SOCK_STREAM listens on) a numeric address: nobody else can take the port while the descriptor is open.
   * Port 0 lets the kernel choose. IPv6 sockets are IPv6 only. Throws EADDRINUSE, EADDRNOTAVAIL, EACCES, ….
   */
  bindPort(type: number, protocol: number, address: string, port: number): [fd: number, port: number]

  // --- checksums
  /** CRC-64/ISO over data, continued from an 8-byte big-endian state (zeros to start; init/xorout inside). Updates state in place. */
  crc64Iso(state: Uint8Array, data: Uint8Array): void

  // --- compression
  /**
   * A piece of a raw deflate stream: `input` from `dictionaryBytes` on (what stands before is its dictionary, of which 32 kB
   * count) is compressed into `output` and ends on a byte boundary; resolves with the bytes written. On the runtime's pool:
   * both buffers must stay as they are until then. One fast level, the same output everywhere.
   */
  deflatePiece(input: Uint8Array, dictionaryBytes: number, output: Uint8Array): Promise<number>
  /** Bytes that `output` must have for so many bytes to compress. */
  deflateBound(bytes: number): number
}

export const native: Native = loadAddon() as Native
