/** crun or runc as libpod drives them: one container's verbs, with a state root of our own below RUN. */
import { rmSync } from 'node:fs'
import { runtimeError } from './runtime-error.ts'

export interface OciRuntime {
  readonly name: string
  readonly path: string
  /** Directory of its state; one directory in it per container. */
  readonly root: string
  /** Options before the verb, for conmon and for exec. */
  readonly globalArgs: readonly string[]
  readonly systemdCgroup: boolean
  /** Lets the created process exec its command. Throws as runtimeError says. */
  start(id: string): Promise<void>
  /** 'created', 'running', 'paused', 'stopped'; undefined: the runtime doesn't know it. */
  status(id: string): Promise<string | undefined>
  /** Kills and deletes. Idempotent. */
  destroy(id: string): Promise<void>
  /** Deletes what an ended container left: its state, its cgroups. Starts the runtime only when processes are left in them. */
  forget(id: string, cgroupPath: string): Promise<void>
}

export interface OciRuntimeOptions {
  name: string
  path: string
  /** Directory of the runtime's state. */
  root: string
  systemdCgroup: boolean
  /** containers.conf's flags for it. */
  flags: readonly string[]
  env: NodeJS.ProcessEnv
}

export function ociRuntime(options: OciRuntimeOptions): OciRuntime {
  const globalArgs = ['--root', options.root, ...options.flags]
  const call = async (args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> => {
    const { runRuntime } = await import('./run-runtime.ts')
    return runRuntime(options.path, [...globalArgs, ...(options.systemdCgroup ? ['--systemd-cgroup'] : []), ...args], options.env)
  }
  const destroy = async (id: string): Promise<void> => {
    const result = await call(['delete', '--force', id])
    if (result.exitCode !== 0 && !/does not exist|no such file/i.test(result.stderr)) {
      throw runtimeError(`delete container ${id.slice(0, 12)}`, options.name, result.stderr)
    }
    rmSync(`${options.root}/${id}`, { recursive: true, force: true })
  }
  return {
    name: options.name,
    path: options.path,
    root: options.root,
    globalArgs,
    systemdCgroup: options.systemdCgroup,
    start: async (id) => {
      const result = await call(['start', id])
      if (result.exitCode !== 0) throw runtimeError(`start container ${id.slice(0, 12)}`, options.name, result.stderr)
    },
    status: async (id) => {
      const result = await call(['state', id])
      if (result.exitCode !== 0) return undefined
      return (JSON.parse(result.stdout) as { status?: string }).status
    },
    destroy,
    forget: async (id, cgroupPath) => {
      const { detectCgroups } = await import('../host/cgroup/detect.ts')
      const { removeCgroups } = await import('../host/cgroup/container-cgroup.ts')
      if (cgroupPath !== '' && removeCgroups(detectCgroups(), cgroupPath).length > 0) return destroy(id)
      rmSync(`${options.root}/${id}`, { recursive: true, force: true })
    },
  }
}
