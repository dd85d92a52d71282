import { existsSync } from 'node:fs'
import type { EngineConfig } from '../../config/containers-conf.ts'
import { TpodError } from '../../errors/tpod-error.ts'

/** The first of containers.conf's paths that exists. Throws MONITOR_MISSING. */
export function findConmon(config: EngineConfig): string {
  const found = config.engine.conmonPath.find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new TpodError('MONITOR_MISSING', `find conmon: it is not at ${config.engine.conmonPath.join(', ')}`, {
    remedy: 'apt-get install conmon (or: dnf install conmon), or set conmon_path in containers.conf',
  })
}
