/** Which namespaces the runtime makes, joins or leaves alone. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { LinuxSpec, NamespaceType } from '../../oci/runtime-types.ts'
import type { ContainerSpec, NamespaceMode } from '../types.ts'

/** Namespace files of other containers (/proc/PID/ns/…), for every kind whose mode is `container`. */
export type NamespacePaths = Partial<Record<'pid' | 'ipc' | 'uts' | 'network' | 'cgroup', string>>

type ModeSpec = Pick<ContainerSpec, 'pid' | 'ipc' | 'uts' | 'userns' | 'cgroupns' | 'network'>

/** Throws NAMESPACE when a mode names a container and no path was given for it, or a mode that this host can't do. */
export function resolveNamespaces(spec: ModeSpec, paths: NamespacePaths): LinuxSpec['namespaces'] {
  if (spec.userns.mode !== 'host') throw new TpodError('NAMESPACE', `use user namespace mode ${spec.userns.mode}: only host is supported yet`)
  return [
    ...one('pid', spec.pid, paths.pid),
    ...one('network', spec.network.mode === 'bridge' || spec.network.mode === 'none' ? { mode: 'private' } : spec.network as NamespaceMode, paths.network),
    ...one('ipc', spec.ipc, paths.ipc),
    ...one('uts', spec.uts, paths.uts),
    { type: 'mount' },
    ...one('cgroup', spec.cgroupns, paths.cgroup),
  ]
}

function one(type: NamespaceType, mode: NamespaceMode, containerPath: string | undefined): LinuxSpec['namespaces'] {
  switch (mode.mode) {
    case 'host': return []
    case 'path': return [{ type, path: mode.path }]
    case 'container': {
      if (containerPath === undefined) throw new TpodError('NAMESPACE', `join the ${type} namespace of container ${mode.containerId}: it is not running`, { remedy: `start ${mode.containerId.slice(0, 12)} first` })
      return [{ type, path: containerPath }]
    }
    default: return [{ type }]
  }
}
