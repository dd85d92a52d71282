/** Runs a helper program to its end and collects what it printed. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { TpodError, errorCode, errorMessage, throwIfAborted } from '../../errors/tpod-error.ts'

export interface RunOptions {
  /** Written to the child's standard input, which is /dev/null otherwise. */
  input?: Uint8Array | string
  /** The child's whole environment; absent: this process's own. */
  env?: Readonly<Record<string, string | undefined>>
  cwd?: string
  /** The child is killed after that and HELPER_TIMEOUT thrown. */
  timeoutMs?: number
  /** Kills the child; the promise rejects with the signal's reason. */
  signal?: AbortSignal
  /** Descriptors of ours that become 3, 4, … of the child. */
  extraFds?: readonly number[]
}

export interface RunResult {
  /** Null when a signal ended the child. */
  exitCode: number | null
  signal: NodeJS.Signals | null
  stdout: Buffer
  stderr: Buffer
}

const fedoraNames: Readonly<Record<string, string>> = { gpg: 'gnupg2', ip: 'iproute', nft: 'nftables', newuidmap: 'shadow-utils', newgidmap: 'shadow-utils' }
const debianNames: Readonly<Record<string, string>> = { gpg: 'gnupg', ip: 'iproute2', nft: 'nftables', newuidmap: 'uidmap', newgidmap: 'uidmap', fusermount3: 'fuse3' }

function missingHelper(file: string, cause: unknown): TpodError {
  const name = file.slice(file.lastIndexOf('/') + 1)
  const debian = debianNames[name] ?? name
  const fedora = fedoraNames[name] ?? debian
  const remedy = debian === fedora ? `install the package ${debian}` : `install the package ${debian} (Debian, Ubuntu) or ${fedora} (Fedora)`
  return new TpodError('HELPER_MISSING', `run ${file}: no such program`, { remedy, cause })
}

function spawnChild(file: string, args: readonly string[], options: RunOptions): ChildProcess {
  const spawnOptions: SpawnOptions = {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.extraFds ?? [])],
  }
  if (options.cwd !== undefined) spawnOptions.cwd = options.cwd
  if (options.env !== undefined) spawnOptions.env = options.env
  return spawn(file, [...args], spawnOptions)
}

/**
 * Runs `file` (a path, or a name looked up in PATH) with `args` and waits for its end. A failing exit status is a
 * result, not an error. Throws HELPER_MISSING when there is no such program, HELPER_FAILED when it cannot be started,
 * HELPER_TIMEOUT, or the abort reason.
 */
export async function runCommand(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  throwIfAborted(options.signal)
  let child: ChildProcess
  try {
    child = spawnChild(file, args, options)
  } catch (error) {
    throw startFailure(file, options, error)
  }
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk))
  if (options.input !== undefined) {
    // EPIPE: the child ended without reading all; its exit status tells why.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(options.input)
  }
  let failure: unknown
  const stop = (reason: unknown): void => {
    failure ??= reason
    child.kill('SIGKILL')
  }
  const onAbort = (): void => stop(options.signal?.reason)
  options.signal?.addEventListener('abort', onAbort, { once: true })
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(stop, options.timeoutMs, timeoutError(file, options.timeoutMs))
  try {
    const ended = await new Promise<Pick<RunResult, 'exitCode' | 'signal'>>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (exitCode, signal) => resolve({ exitCode, signal }))
    })
    if (failure !== undefined) throw failure
    return { ...ended, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }
  } catch (error) {
    if (error === failure) throw error
    throw startFailure(file, options, error)
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', onAbort)
  }
}

function timeoutError(file: string, timeoutMs: number): TpodError {
  return new TpodError('HELPER_TIMEOUT', `run ${file}: no end after ${timeoutMs / 1000} s, killed`)
}

function startFailure(file: string, options: RunOptions, error: unknown): TpodError {
  // A missing working directory is reported with the same code.
  const isDirectoryThere = options.cwd === undefined || existsSync(options.cwd)
  if (errorCode(error) === 'ENOENT' && isDirectoryThere) return missingHelper(file, error)
  if (!isDirectoryThere) return new TpodError('HELPER_FAILED', `run ${file} in ${options.cwd}: no such directory`, { cause: error })
  return new TpodError('HELPER_FAILED', `run ${file}: ${errorMessage(error)}`, { cause: error })
}
