/** Which OCI runtime makes a container: what was asked for, else crun, else runc, by what this host's cgroups allow. */
import { accessSync, constants } from 'node:fs'
import { basename } from 'node:path'
import type { EngineConfig } from '../config/containers-conf-defaults.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { detectCgroups } from '../host/cgroup/detect.ts'
import type { CgroupInfo } from '../host/cgroup/detect.ts'

export interface RuntimeChoice { name: string; path: string }

/**
 * @param flag `--runtime`: a name of containers.conf's table, or a path.
 * Throws RUNTIME_MISSING when nothing suitable is installed, RUNTIME_UNSUITABLE when what was asked for cannot work here.
 */
export function chooseRuntime(config: EngineConfig, flag?: string, cgroups?: CgroupInfo): RuntimeChoice {
  const asked = flag === undefined || flag === '' ? config.engine.runtime : flag
  if (asked !== '') return askedRuntime(config, asked, cgroups)
  const crun = findRuntime(config, 'crun')
  if (crun !== undefined && crunObstacle(cgroups ?? detectCgroups()) === undefined) return { name: 'crun', path: crun }
  const runc = findRuntime(config, 'runc')
  if (runc !== undefined) return { name: 'runc', path: runc }
  if (crun !== undefined) return askedRuntime(config, 'crun', cgroups)
  throw new TpodError('RUNTIME_MISSING', 'find an OCI runtime: neither crun nor runc is installed', { remedy: 'apt-get install crun (or: dnf install crun)' })
}

/**
 * Why crun refuses this host, or undefined. It doesn't run where a v2 hierarchy with controllers of its own is mounted beside v1.
 */
export function crunObstacle(cgroups: CgroupInfo): { message: string; remedy: string } | undefined {
  if (cgroups.version !== 'hybrid' || cgroups.v2Controllers.length === 0) return undefined
  const [first] = cgroups.v2Controllers
  const directory = `/sys/fs/cgroup/${first}`
  return {
    message: `crun does not support hybrid cgroups with controllers on v2 (here: ${cgroups.v2Controllers.join(', ')})`,
    remedy: `use --runtime runc, or: mkdir -p ${directory} && mount -t cgroup -o ${first} cgroup ${directory}`,
  }
}

/** Path of the runtime `name` (of containers.conf's table), or undefined. */
function findRuntime(config: EngineConfig, name: string): string | undefined {
  return (config.engine.runtimes[name] ?? []).find(isExecutable)
}

function askedRuntime(config: EngineConfig, asked: string, cgroups: CgroupInfo | undefined): RuntimeChoice {
  const path = asked.includes('/') ? (isExecutable(asked) ? asked : undefined) : findRuntime(config, asked)
  if (path === undefined) {
    throw new TpodError('RUNTIME_MISSING', `find OCI runtime ${JSON.stringify(asked)}: ${asked.includes('/') ? 'no such executable' : 'not installed'}`, {
      remedy: asked === 'crun' || asked === 'runc' ? `apt-get install ${asked} (or: dnf install ${asked})` : 'name it in [engine.runtimes] of containers.conf, or install it',
    })
  }
  const name = basename(asked)
  const obstacle = name === 'crun' ? crunObstacle(cgroups ?? detectCgroups()) : undefined
  if (obstacle !== undefined) throw new TpodError('RUNTIME_UNSUITABLE', `use OCI runtime ${path}: ${obstacle.message}`, { remedy: obstacle.remedy })
  // Typed as a path it stays one: which of several runtimes of that name runs a container must be visible.
  return { name: asked.includes('/') ? path : name, path }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
