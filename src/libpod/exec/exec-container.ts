/** Runs a further process in a running container. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { TpodError, errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import type { ConmonOptions } from '../conmon/conmon-args.ts'
import type { ConmonContext } from '../conmon/start-conmon.ts'
import { helperEnv, type Engine } from '../engine.ts'
import { runtimeError } from '../../ociruntime/runtime-error.ts'
import type { OciRuntime } from '../../ociruntime/oci-runtime.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { observeState } from '../state/container-files.ts'
import { getContainer } from '../state/find-container.ts'
import { checkCommand } from './check-command.ts'
import { execProcess, type ExecRequest } from './exec-spec.ts'
import type { ExecStreams } from './run-attached.ts'

/** podman's exit status for exec in a container that does not run. */
const notRunningExitCode = 255

/**
 * Runs the command with the given descriptors or streams and waits for its end; the exit status is the command's own, 128+n after a signal.
 * The runtime itself is the only process in between: no conmon, but where a terminal is asked for and standard input is none. A command that cannot be found or invoked gives 127 or 126; the
 * runtime has said so on the given stderr. Throws NO_SUCH_CONTAINER, NOT_RUNNING (255), NO_SUCH_USER.
 */
export async function execContainer(engine: Engine, nameOrId: string, request: ExecRequest, streams: ExecStreams = {}): Promise<number> {
  const target = await findTarget(engine, nameOrId)
  const { preserveFds = 0 } = request
  const { runAttached } = await import('./run-attached.ts')
  const session = await openSession(target, request)
  try {
    if (request.terminal === true && !isTerminal(request.stdin === true ? streams.stdin : undefined)) {
      return await execWithConmon(engine, target, session, request, streams)
    }
    const log = `${session.file}.log`
    const args = [
      ...target.runtime.globalArgs, '--log-format=json', `--log=${log}`, 'exec', '--process', session.file,
      ...(preserveFds > 0 ? ['--preserve-fds', String(preserveFds)] : []), target.config.id,
    ]
    const { stdin, ...output } = streams
    const exitCode = await runAttached(target.runtime.path, args, {
      streams: request.stdin === true && stdin !== undefined ? { stdin, ...output } : output, preserveFds, env: helperEnv(engine.options),
    })
    return exitCode === 0 ? 0 : runtimeFailure(target, log)?.exitCode ?? exitCode
  } finally {
    session.close()
  }
}

/** The runtime hands a terminal on, it does not make one up: for that it takes a conmon. */
async function execWithConmon(engine: Engine, target: Target, session: Session, request: ExecRequest, streams: ExecStreams): Promise<number> {
  const { execOnTerminal } = await import('./exec-terminal.ts')
  const { findConmon } = await import('../conmon/find-conmon.ts')
  const { stdin, stdout } = streams
  return execOnTerminal(findConmon(engine.config), conmonOptions(target, session, request), conmonContext(engine, target, session), {
    ...(request.stdin === true && stdin !== undefined ? { stdin } : {}),
    ...(stdout === undefined ? {} : { stdout }),
  })
}

function isTerminal(stream: ExecStreams['stdin']): boolean {
  return typeof stream === 'number' && native.getWinsize(stream) !== null
}

function conmonOptions(target: Target, session: Session, request: ExecRequest): ConmonOptions {
  const { config, runtime, bundle } = target
  const directory = `${bundle}/exec-${session.id}`
  return {
    containerId: config.id, uuid: session.id, name: config.name, bundle: directory, pidFile: `${directory}/pidfile`,
    exitDirectory: directory, persistDirectory: directory, runtimePath: runtime.path, runtimeArgs: runtime.globalArgs,
    systemdCgroup: runtime.systemdCgroup, terminal: request.terminal ?? false, stdin: request.stdin ?? false, logDriver: 'none', logPath: '',
    timeoutSec: 0, syncLog: false, exitCommand: [], exitDelaySec: 0, noNewKeyring: false, noPivot: false,
  }
}

function conmonContext(engine: Engine, target: Target, session: Session): ConmonContext {
  return {
    action: `exec in container ${target.config.name}`, runtimeName: target.runtime.name, env: helperEnv(engine.options),
    exec: { processSpec: session.file },
  }
}

/** Starts the command under a conmon of its own and returns the session's id at once. Its output goes nowhere, as in podman. */
export async function execDetached(engine: Engine, nameOrId: string, request: ExecRequest): Promise<string> {
  const target = await findTarget(engine, nameOrId)
  const session = await openSession(target, request)
  const directory = `${target.bundle}/exec-${session.id}`
  mkdirSync(directory, { mode: 0o700 })
  const { startConmon } = await import('../conmon/start-conmon.ts')
  const { findConmon } = await import('../conmon/find-conmon.ts')
  const conmon = startConmon(findConmon(engine.config), conmonOptions(target, session, request), conmonContext(engine, target, session))
  try {
    await conmon.created
    return session.id
  } catch (error) {
    conmon.end()
    rmSync(directory, { recursive: true, force: true })
    throw error
  } finally {
    // The runtime has read it.
    session.close()
  }
}

interface Target { config: ContainerConfig; state: ContainerState; bundle: string; runtime: OciRuntime }

async function findTarget(engine: Engine, nameOrId: string): Promise<Target> {
  const config = await getContainer(engine, nameOrId)
  const state = observeState(engine.state, config.id)
  if (state.status !== 'running') {
    throw new TpodError('NOT_RUNNING', `exec in container ${nameOrId}: it is ${state.status}; can only create exec sessions on running containers: container state improper`, {
      remedy: `start it with: tpod start ${nameOrId}`, exitCode: notRunningExitCode,
    })
  }
  return { config, state, bundle: engine.store.containerRunDirectory(config.id), runtime: await engine.runtimeOf(config) }
}

interface Session { id: string; file: string; close(): void }

async function openSession(target: Target, request: ExecRequest): Promise<Session> {
  const { encodeSpec } = await import('../spec/generate.ts')
  const id = randomBytes(32).toString('hex')
  const file = `${target.bundle}/exec-${id}.json`
  const process = await execProcess(target.bundle, target.state.pid, request)
  checkCommand(`exec in container ${target.config.name}`, target.state.pid, process)
  writeFileSync(file, encodeSpec(process), { mode: 0o600 })
  return {
    id,
    file,
    close: () => {
      for (const path of [file, `${file}.log`]) {
        try {
          unlinkSync(path)
        } catch {
          // Removed with the container that ended meanwhile.
        }
      }
    },
  }
}

/** The runtime's own failure is in its log file; a command that failed by itself leaves none. */
function runtimeFailure(target: Target, log: string): TpodError | undefined {
  let text: string
  try {
    text = readFileSync(log, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
  const errors = text.split('\n').filter((line) => /"level":\s*"(error|fatal)"/.test(line) || (line !== '' && !line.startsWith('{')))
  // runc reports the command's own status as an error, too.
  const real = errors.filter((line) => !/exit status|"msg":\s*""/.test(line))
  return real.length === 0 ? undefined : runtimeError(`exec in container ${target.config.name}`, target.runtime.name, real.join('\n'))
}
