/** Starts conmon and waits until the runtime has created the container, or says why it could not. */
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import { startHelper, type Helper } from '../../host/process/start-helper.ts'
import { conmonArgs, type ConmonOptions } from './conmon-args.ts'
import { runtimeError } from '../../ociruntime/runtime-error.ts'

export interface Conmon {
  pid: number
  /** The container's (or exec session's) first process; throws as `startConmon` says. */
  created: Promise<number>
  /** Keeps this process alive only for a session that is attached to. */
  ended: Promise<number>
  /** Ends conmon and its waiting exit command. Only after the exit file exists, or when nothing was created. Idempotent. */
  end(): void
}

export interface ExecConmon {
  /** File with the OCI process object. */
  processSpec: string
}

export interface ConmonContext {
  /** What was tried, for errors: "start container web". */
  action: string
  runtimeName: string
  env: NodeJS.ProcessEnv
  exec?: ExecConmon
  /** The command that the runtime is to run, for errors that do not name it. */
  command?: string
  /** Exec sessions that are attached to: conmon says `ready` when its socket is there, and waits for a word on `go`, then for another. */
  attachFds?: { ready: number; go: number }
  /** Descriptors that conmon holds as long as it lives (published ports); the caller closes its own. */
  heldFds?: readonly number[]
}

/** O_TMPFILE. */
const temporaryFile = 0o20200000

interface SyncMessage { data: number; message?: string }

/**
 * conmon becomes a session leader of its own, so no terminal signal reaches it; it outlives this process, even kill -9.
 * It inherits only 0-2, the sync pipe and `heldFds` (CVE-2024-21626 began with an inherited descriptor).
 * `created` rejects with COMMAND_NOT_FOUND (127), COMMAND_CANNOT_RUN (126), RUNTIME_FAILED (125) or MONITOR_FAILED (125);
 * conmon has ended then, or is ended by the caller's `end()`.
 */
export function startConmon(
  conmonPath: string, options: ConmonOptions, context: ConmonContext,
): Conmon {
  const args = conmonArgs(options)
  if (context.exec !== undefined) {
    args.push('-e', '--exec-process-spec', context.exec.processSpec)
    if (context.attachFds !== undefined) args.push('--exec-attach')
  }
  const [readEnd, writeEnd] = native.pipe()
  const messages = openMessages(options)
  const isPassthrough = options.logDriver === 'passthrough'
  const attachFds = context.attachFds === undefined ? [] : [context.attachFds.ready, context.attachFds.go]
  let helper: Helper
  try {
    helper = startHelper(conmonPath, args, {
      fds: [isPassthrough ? 0 : -1, isPassthrough ? 1 : -1, isPassthrough ? 2 : messages, writeEnd, ...attachFds, ...context.heldFds ?? []],
      env: { ...context.env, _OCI_SYNCPIPE: '3', ...(attachFds.length === 0 ? {} : { _OCI_ATTACHPIPE: '4', _OCI_STARTPIPE: '5' }) }, newSession: true, keepsAlive: context.attachFds !== undefined,
    })
  } catch (cause) {
    closeAll([readEnd, messages])
    throw new TpodError('MONITOR_FAILED', `${context.action}: start ${conmonPath}: ${errorMessage(cause)}`, {
      cause, remedy: 'install conmon, or set conmon_path in containers.conf',
    })
  } finally {
    closeSync(writeEnd)
  }
  let hasEnded = false
  helper.ended.then(() => { hasEnded = true }, () => { hasEnded = true })
  const created = readSyncPipe(readEnd).then((message) => {
    if (message === undefined) {
      const said = readMessages(messages)
      throw new TpodError('MONITOR_FAILED', `${context.action}: conmon ended before the container was created${said === '' ? '' : `: ${said}`}`)
    }
    if (message.data > 0) return message.data
    throw runtimeError(context.action, context.runtimeName, message.message ?? '', context.command)
  }).finally(() => closeAll([messages]))
  created.catch(() => undefined)
  return { pid: helper.pid, created, ended: helper.ended, end: () => { if (!hasEnded) killGroup(helper.pid) } }
}

/** conmon's own complaints go to a file without a name: a pipe would want a reader as long as the container lives. -1: nowhere. */
function openMessages(options: ConmonOptions): number {
  try {
    return openSync(options.bundle, constants.O_RDWR | temporaryFile, 0o600)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
    return -1
  }
}

function readMessages(fd: number): string {
  if (fd < 0) return ''
  const buffer = Buffer.alloc(8192)
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0)).trim()
}

function closeAll(fds: readonly number[]): void {
  for (const fd of fds) if (fd >= 0) closeSync(fd)
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
