/** Starts conmon and waits until the runtime has created the container, or says why it could not. */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import { conmonArgs, type ConmonOptions } from './conmon-args.ts'
import { runtimeError } from './runtime-error.ts'

export interface Conmon {
  pid: number
  /** The container's (or exec session's) first process; throws as `startConmon` says. */
  created: Promise<number>
  /** Ends conmon and its waiting exit command. Only after the exit file exists, or when nothing was created. Idempotent. */
  end(): void
  /** Lets this process end while conmon goes on. */
  unref(): void
}

export interface ExecConmon {
  /** File with the OCI process object. */
  processSpec: string
}

interface SyncMessage { data: number; message?: string }

/**
 * conmon becomes a session leader of its own, so no terminal signal reaches it; it outlives this process, even kill -9.
 * It inherits only 0-2 and the sync pipe (CVE-2024-21626 began with an inherited descriptor).
 * `created` rejects with COMMAND_NOT_FOUND (127), COMMAND_CANNOT_RUN (126), RUNTIME_FAILED (125) or MONITOR_FAILED (125);
 * conmon has ended then, or is ended by the caller's `end()`.
 */
export function startConmon(
  conmonPath: string, options: ConmonOptions, context: { action: string; runtimeName: string; env: NodeJS.ProcessEnv; exec?: ExecConmon },
): Conmon {
  const args = conmonArgs(options)
  if (context.exec !== undefined) {
    args.push('-e', '--exec-process-spec', context.exec.processSpec)
  }
  const [readEnd, writeEnd] = native.pipe()
  const inherit = options.logDriver === 'passthrough' ? 'inherit' as const : 'ignore' as const
  const child = spawn(conmonPath, args, {
    detached: true,
    stdio: [inherit, inherit, inherit === 'inherit' ? 'inherit' : 'pipe', writeEnd],
    env: { ...context.env, _OCI_SYNCPIPE: '3' },
  })
  closeSync(writeEnd)
  let ownMessage = ''
  child.stderr?.on('data', (chunk: Buffer) => { if (ownMessage.length < 8192) ownMessage += chunk.toString() })
  const spawnError = new Promise<never>((_resolve, reject) => {
    child.once('error', (cause) => {
      reject(new TpodError('MONITOR_FAILED', `${context.action}: start ${conmonPath}: ${cause.message}`, {
        cause, remedy: 'install conmon, or set conmon_path in containers.conf',
      }))
    })
  })
  spawnError.catch(() => undefined)
  const firstMessage = readSyncPipe(readEnd)
  const created = Promise.race([spawnError, firstMessage.then((message) => {
    if (message === undefined) {
      throw new TpodError('MONITOR_FAILED', `${context.action}: conmon ended before the container was created${ownMessage === '' ? '' : `: ${ownMessage.trim()}`}`)
    }
    if (message.data > 0) return message.data
    throw runtimeError(context.action, context.runtimeName, message.message ?? '')
  })])
  created.catch(() => undefined)
  const pid = child.pid ?? 0
  return {
    pid,
    created,
    end: () => { if (pid > 0 && child.exitCode === null && child.signalCode === null) killGroup(pid) },
    unref: () => {
      child.unref()
      child.stderr?.destroy()
    },
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // ESRCH: it ended by itself.
  }
}

/** One line of JSON; then the pipe is closed, for conmon holds its end as long as the container lives. Undefined when it ended without. */
function readSyncPipe(fd: number): Promise<SyncMessage | undefined> {
  const { promise, resolve } = Promise.withResolvers<SyncMessage | undefined>()
  let text = ''
  let isClosed = false
  const finish = (message: SyncMessage | undefined): void => {
    if (isClosed) return
    isClosed = true
    resolve(message)
    stop()
    closeSync(fd)
  }
  const stop = native.readLoop(fd, 65_536, (error, chunk) => {
    if (chunk === null || error !== null) return finish(undefined)
    text += chunk.toString()
    const newline = text.indexOf('\n')
    if (newline >= 0) finish(parseMessage(text.slice(0, newline)))
  })
  return promise
}

function parseMessage(line: string): SyncMessage {
  const parsed = JSON.parse(line) as { data?: unknown; pid?: unknown; message?: unknown }
  const data = typeof parsed.data === 'number' ? parsed.data : Number(parsed.pid ?? -1)
  return typeof parsed.message === 'string' ? { data, message: parsed.message } : { data }
}
