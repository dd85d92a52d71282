/** The command line of crun and runc: what each operation's argv is, and what their answers mean. */
import { TpodError } from '../errors/tpod-error.ts'
import { runCommand } from '../host/process/run.ts'
import type { RuntimeChoice } from './choose-runtime.ts'

export interface OciState {
  id: string
  status: 'creating' | 'created' | 'running' | 'stopped' | 'paused'
  pid: number
  bundle: string
}

export interface ExecRequest {
  /** File with the OCI process object. */
  processFile: string
  pidFile?: string
  /** Unix socket that receives the terminal's master. */
  consoleSocket?: string
  detach?: boolean
  preserveFds?: number
}

/** One runtime binary with its state directory. Holds no state of its own. */
export class OciRuntime {
  readonly name: string
  readonly path: string
  readonly rootDirectory: string
  readonly #isSystemd: boolean

  /**
   * @param rootDirectory the runtime's state, below RUN: a store's containers are invisible to another store's runtime.
   */
  constructor(choice: RuntimeChoice, options: { rootDirectory: string; cgroupManager: 'systemd' | 'cgroupfs' }) {
    this.name = choice.name
    this.path = choice.path
    this.rootDirectory = options.rootDirectory
    this.#isSystemd = options.cgroupManager === 'systemd'
  }

  /** Global options, before any subcommand; conmon takes them one by one as --runtime-arg. */
  globalArgs(logFile?: string): string[] {
    const manager = this.#isSystemd ? ['--systemd-cgroup'] : []
    const log = logFile === undefined ? [] : ['--log-format=json', `--log=${logFile}`]
    return [`--root=${this.rootDirectory}`, ...manager, ...log]
  }

  createArgs(request: { id: string; bundle: string; pidFile: string; consoleSocket?: string; noPivotRoot?: boolean; logFile?: string }): string[] {
    return [
      ...this.globalArgs(request.logFile), 'create', `--bundle=${request.bundle}`, `--pid-file=${request.pidFile}`,
      ...(request.consoleSocket === undefined ? [] : [`--console-socket=${request.consoleSocket}`]),
      ...(request.noPivotRoot ? ['--no-pivot'] : []), request.id,
    ]
  }

  execArgs(id: string, request: ExecRequest): string[] {
    return [
      ...this.globalArgs(), 'exec', `--process=${request.processFile}`,
      ...(request.pidFile === undefined ? [] : [`--pid-file=${request.pidFile}`]),
      ...(request.consoleSocket === undefined ? [] : [`--console-socket=${request.consoleSocket}`]),
      ...(request.detach ? ['--detach'] : []),
      ...(request.preserveFds === undefined ? [] : [`--preserve-fds=${request.preserveFds}`]), id,
    ]
  }

  /** Runs the created container's command. Throws RUNTIME_FAILED. */
  async start(id: string): Promise<void> {
    await this.#run('start', [id])
  }

  /** Undefined when the runtime knows no such container. */
  async state(id: string): Promise<OciState | undefined> {
    const result = await this.#try('state', [id])
    if (result.exitCode === 0) return JSON.parse(result.stdout) as OciState
    if (isUnknownContainer(result.stderr)) return undefined
    throw this.#error('state', id, result.stderr, result.exitCode)
  }

  /** Signals the first process, or all. A container that is gone or stopped throws CONTAINER_NOT_RUNNING. */
  async kill(id: string, signal: number, options: { all?: boolean } = {}): Promise<void> {
    const result = await this.#try('kill', [...(options.all ? ['--all'] : []), id, String(signal)])
    if (result.exitCode === 0) return
    if (isUnknownContainer(result.stderr) || /not running|no such process|already finished|process already/i.test(result.stderr)) {
      throw new TpodError('CONTAINER_NOT_RUNNING', `signal container ${id}: it is not running`)
    }
    throw this.#error('kill', id, result.stderr, result.exitCode)
  }

  /** Removes the runtime's state and cgroup; `force` kills first. Idempotent. */
  async delete(id: string, options: { force?: boolean } = {}): Promise<void> {
    const result = await this.#try('delete', [...(options.force ? ['--force'] : []), id])
    if (result.exitCode !== 0 && !isUnknownContainer(result.stderr)) throw this.#error('delete', id, result.stderr, result.exitCode)
  }

  async pause(id: string): Promise<void> {
    await this.#run('pause', [id])
  }

  async resume(id: string): Promise<void> {
    await this.#run('resume', [id])
  }

  /** `VERSION` line of the runtime, for info and doctor. */
  async version(): Promise<string> {
    const result = await runCommand(this.path, ['--version'])
    return result.stdout.toString('utf8').trim().split('\n', 1)[0] ?? ''
  }

  async #run(verb: string, args: readonly string[]): Promise<void> {
    const result = await this.#try(verb, args)
    if (result.exitCode !== 0) throw this.#error(verb, args.at(-1) ?? '', result.stderr, result.exitCode)
  }

  async #try(verb: string, args: readonly string[]): Promise<{ exitCode: number | null; stdout: string; stderr: string }> {
    const { exitCode, stdout, stderr } = await runCommand(this.path, [...this.globalArgs(), verb, ...args])
    return { exitCode, stdout: stdout.toString('utf8'), stderr: stderr.toString('utf8') }
  }

  #error(verb: string, id: string, stderr: string, exitCode: number | null): TpodError {
    return new TpodError('RUNTIME_FAILED', `${this.name} ${verb} ${id.slice(0, 12)}: ${runtimeMessage(stderr) || `exit status ${exitCode}`}`)
  }
}

/** The one line that matters in what crun or runc wrote to stderr, in either log format. */
export function runtimeMessage(stderr: string): string {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '')
  const last = lines.at(-1) ?? ''
  const json = /^\{.*\}$/.test(last) ? (JSON.parse(last) as { msg?: string }).msg : undefined
  const text = json ?? /\bmsg="((?:[^"\\]|\\.)*)"/.exec(last)?.[1]?.replaceAll('\\"', '"') ?? last
  return text.replace(/^(?:time="[^"]*" level=\w+ )/, '').trim()
}

function isUnknownContainer(stderr: string): boolean {
  return /does not exist|no such file or directory|not found/i.test(stderr)
}
