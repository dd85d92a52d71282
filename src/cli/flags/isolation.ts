/** Flags of run and create about namespaces, cgroups and privileges. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { parseKeyValue } from '../../libpod/spec/parse/env-flags.ts'
import { type NamespaceKind, parseNamespaceMode } from '../../libpod/spec/parse/namespace-mode.ts'
import type { ContainerSpec, NamespaceMode } from '../../libpod/types.ts'
import { bool, csv, list, text, textOr } from '../options.ts'

export const isolationFlags = {
  'cap-add': csv('Add capabilities to the container'),
  'cap-drop': csv('Drop capabilities from the container'),
  'cgroup-parent': text('Optional parent cgroup for the container'),
  cgroupns: text('cgroup namespace to use'),
  cgroups: textOr('enabled', 'control container cgroup configuration ("enabled"|"disabled"|"no-conmon"|"split")', {
    options: ['enabled', 'disabled', 'no-conmon', 'split'],
  }),
  ipc: text('IPC namespace to use'),
  pid: text('PID namespace to use'),
  privileged: bool('Give extended privileges to container'),
  'security-opt': list('Security Options'),
  sysctl: csv('Sysctl options'),
  userns: text('User namespace to use'),
  uts: text('UTS namespace to use'),
}

type Flags = InferredFlags<typeof isolationFlags>
type IsolationSpec = Pick<ContainerSpec,
  'capAdd' | 'capDrop' | 'cgroupns' | 'cgroups' | 'ipc' | 'pid' | 'privileged' | 'securityOpt' | 'sysctls' | 'userns' | 'uts'> & { cgroupParent?: string }

export function isolationSpec(flags: Flags, defaults: Readonly<Record<NamespaceKind, NamespaceMode>>): IsolationSpec {
  const namespace = (kind: NamespaceKind): NamespaceMode => {
    const typed = flags[kind]
    return typed === undefined ? defaults[kind] : parseNamespaceMode(kind, typed)
  }
  return {
    capAdd: flags['cap-add'],
    capDrop: flags['cap-drop'],
    ...(flags['cgroup-parent'] === undefined ? {} : { cgroupParent: flags['cgroup-parent'] }),
    cgroupns: namespace('cgroupns'),
    cgroups: flags.cgroups as ContainerSpec['cgroups'],
    ipc: namespace('ipc'),
    pid: namespace('pid'),
    privileged: flags.privileged,
    securityOpt: flags['security-opt'],
    sysctls: Object.fromEntries(flags.sysctl.map((item) => parseKeyValue('sysctl', item))),
    userns: namespace('userns'),
    uts: namespace('uts'),
  }
}
