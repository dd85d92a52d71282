import { TpodError } from '../../errors/tpod-error.ts'
import type { ContainerSpec } from '../types.ts'

const ipcNames = new Set([
  'kernel.msgmax', 'kernel.msgmnb', 'kernel.msgmni', 'kernel.sem', 'kernel.shmall', 'kernel.shmmax', 'kernel.shmmni', 'kernel.shm_rmid_forced',
])
const utsNames = new Set(['kernel.hostname', 'kernel.domainname'])

/**
 * --sysctl over containers.conf's default_sysctls. Only what a namespace holds can be set, and only when the container has a
 * namespace of its own; a default that cannot be set is left out, an asked one throws BAD_FLAG in podman's words.
 */
export function resolveSysctls(spec: Pick<ContainerSpec, 'sysctls' | 'ipc' | 'uts' | 'network'>, defaults: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {}
  for (const text of defaults) {
    const equals = text.indexOf('=')
    const name = text.slice(0, equals)
    if (equals > 0 && obstacle(name, spec) === undefined) result[name] = text.slice(equals + 1)
  }
  for (const [typed, value] of Object.entries(spec.sysctls)) {
    const name = typed.includes('.') ? typed : typed.replaceAll('/', '.')
    const why = obstacle(name, spec)
    if (why !== undefined) throw new TpodError('BAD_FLAG', `invalid --sysctl ${JSON.stringify(`${typed}=${value}`)}: sysctl '${name}' ${why}`)
    result[name] = value
  }
  return result
}

function obstacle(name: string, spec: Pick<ContainerSpec, 'ipc' | 'uts' | 'network'>): string | undefined {
  if (ipcNames.has(name) || name.startsWith('fs.mqueue.')) return spec.ipc.mode === 'host' ? "can't be set since IPC Namespace set to host" : undefined
  if (name.startsWith('net.')) return spec.network.mode === 'host' ? "can't be set since Network Namespace set to host" : undefined
  if (utsNames.has(name)) return spec.uts.mode === 'host' ? "can't be set since UTS Namespace set to host" : undefined
  return 'is not allowed'
}
