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
  /** Exec only: the second message, with the exit status. */
  exited: Promise<number>
  /** Ends conmon and its waiting exit command. Only after the exit file exists, or when nothing was created. Idempotent. */
  end(): void
  /** Lets this process end while conmon goes on. */
  unref(): void
}

export interface ExecConmon {
  processSpec: string
  /** The session's own log and files are in `bundle`. */
  attach: boolean
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
  const messages = readSyncPipe(readEnd, context.exec === undefined ? 1 : 2)
  const created = Promise.race([spawnError, messages.first.then((message) => {
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
    exited: messages.second.then((message) => message?.data ?? -1),
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

/**
 * Newline-separated JSON; reads `expected` messages and closes the pipe, for conmon holds its end as long as the container lives.
 * A promise gives undefined when the pipe ended without its message.
 */
function readSyncPipe(fd: number, expected: 1 | 2): { first: Promise<SyncMessage | undefined>; second: Promise<SyncMessage | undefined> } {
  const first = Promise.withResolvers<SyncMessage | undefined>()
  const second = Promise.withResolvers<SyncMessage | undefined>()
  const waiting = expected === 1 ? [first] : [first, second]
  let text = ''
  let isClosed = false
  const finish = (): void => {
    if (isClosed) return
    isClosed = true
    for (const one of waiting.splice(0)) one.resolve(undefined)
    stop()
    closeSync(fd)
  }
  const stop = native.readLoop(fd, 65_536, (error, chunk) => {
    if (chunk === null || error !== null) return finish()
    text += chunk.toString()
    for (let newline = text.indexOf('\n'); newline >= 0; newline = text.indexOf('\n')) {
      waiting.shift()?.resolve(parseMessage(text.slice(0, newline)))
      text = text.slice(newline + 1)
    }
    if (waiting.length === 0) finish()
  })
  return { first: first.promise, second: second.promise }
}

function parseMessage(line: string): SyncMessage {
  const parsed = JSON.parse(line) as { data?: unknown; pid?: unknown; message?: unknown }
  const data = typeof parsed.data === 'number' ? parsed.data : Number(parsed.pid ?? -1)
  return typeof parsed.message === 'string' ? { data, message: parsed.message } : { data }
}
