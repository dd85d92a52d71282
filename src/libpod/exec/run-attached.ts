/** Runs the runtime's `exec` with the caller's descriptors, streams or functions as the command's own. */
import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { TpodError, errorMessage } from '../../errors/tpod-error.ts'
import { startHelper } from '../../host/process/start-helper.ts'

type OutputTarget = number | Writable | ((chunk: Buffer) => void)

export interface ExecStreams {
  /** Descriptor or stream; the command gets /dev/null where it is absent or the request does not ask for input. */
  stdin?: number | Readable
  /** Descriptor, stream, or a function that gets each piece; absent: output goes nowhere. */
  stdout?: OutputTarget
  stderr?: OutputTarget
}

export interface AttachedOptions {
  streams: ExecStreams
  /** Descriptors 3 … that the command keeps. */
  preserveFds: number
  env: NodeJS.ProcessEnv
}

/** The exit status, 128+n after a signal; when it resolves all output was handed over. Throws RUNTIME_MISSING. */
export async function runAttached(path: string, args: readonly string[], options: AttachedOptions): Promise<number> {
  const { stdin = -1, stdout = -1, stderr = -1 } = options.streams
  if (typeof stdin === 'number' && typeof stdout === 'number' && typeof stderr === 'number') return runWithDescriptors(path, args, [stdin, stdout, stderr], options)
  return runWithStreams(path, args, options)
}

/** The command line's case: nothing to copy, so no streams to load. */
async function runWithDescriptors(path: string, args: readonly string[], fds: readonly number[], { preserveFds, env }: AttachedOptions): Promise<number> {
  try {
    const status = await startHelper(path, args, { env, fds: [...fds, ...preserved(preserveFds)] }).ended
    return status < 0 ? 128 - status : status
  } catch (cause) {
    throw missingRuntime(path, cause)
  }
}

function preserved(count: number): number[] {
  return Array.from({ length: count }, (_none, index) => index + 3)
}

function missingRuntime(path: string, cause: unknown): TpodError {
  return new TpodError('RUNTIME_MISSING', `run ${path}: ${errorMessage(cause)}`, { cause, remedy: 'install crun or runc' })
}

async function runWithStreams(path: string, args: readonly string[], { streams, preserveFds, env }: AttachedOptions): Promise<number> {
  const { spawn } = await import('node:child_process')
  const { stdin, stdout, stderr } = streams
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: [source(stdin), source(stdout), source(stderr), ...preserved(preserveFds)], env })
    child.once('error', (cause) => reject(missingRuntime(path, cause)))
    // 'close' waits for our ends of the pipes, which a process that the command left behind may hold: only where there are any.
    child.once(isPiped(stdout) || isPiped(stderr) ? 'close' : 'exit', (code: number | null, signal: NodeJS.Signals | null) => {
      if (code !== null) resolve(code)
      else void import('node:os').then(({ constants }) => resolve(128 + (signal === null ? 0 : constants.signals[signal] ?? 0)))
    })
    connect(child, streams)
  })
}

function isPiped(target: number | object | undefined): boolean {
  return target !== undefined && typeof target !== 'number'
}

function source(target: number | object | undefined): number | 'pipe' | 'ignore' {
  return typeof target === 'number' ? target : target === undefined ? 'ignore' : 'pipe'
}

function connect(child: ChildProcess, { stdin, stdout, stderr }: ExecStreams): void {
  if (typeof stdin === 'object' && child.stdin !== null) {
    // EPIPE: the command ended before it read everything.
    child.stdin.on('error', () => undefined)
    stdin.pipe(child.stdin)
  }
  for (const [output, target] of [[child.stdout, stdout], [child.stderr, stderr]] as const) {
    if (typeof target === 'function') output?.on('data', target)
    else if (typeof target === 'object') output?.pipe(target, { end: false })
  }
}
