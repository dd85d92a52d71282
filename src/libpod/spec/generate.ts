/** The OCI runtime spec of one container. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { EngineConfig } from '../../config/containers-conf-defaults.ts'
import { detectCgroups } from '../../host/cgroup/detect.ts'
import type { CgroupInfo } from '../../host/cgroup/detect.ts'
import { readSecurityFacts } from '../../host/security/security-facts.ts'
import type { SecurityFacts } from '../../host/security/security-facts.ts'
import { lookupUser } from '../../host/user/lookup-user.ts'
import type { ContainerUser } from '../../host/user/lookup-user.ts'
import type { LinuxSpec, ProcessSpec, RuntimeSpec } from '../../oci/runtime-types.ts'
import type { ContainerConfig } from '../types.ts'
import { resolveCapabilities } from './capabilities.ts'
import { checkMountpoints } from './check-rootfs.ts'
import { linkMtab, prepareWorkingDirectory, writeBundleFiles } from './container-files.ts'
import { resolveDevices } from './devices.ts'
import { prepareMountSources } from './mount-sources.ts'
import { resolveMaskedPaths } from './masked-paths.ts'
import { initMountpoint, resolveMountTable, rootPropagation } from './mounts.ts'
import { resolveNamespaces } from './namespaces.ts'
import { parseSizeBytes } from './parse/numbers.ts'
import type { NamespacePaths } from './namespaces.ts'
import { resolveResources } from './resources.ts'
import { resolveRlimits } from './rlimits.ts'
import { loadSeccompProfile } from './seccomp.ts'
import { parseSecurityOptions } from './security-options.ts'
import type { SecurityOptions } from './security-options.ts'
import { resolveSysctls } from './sysctls.ts'

export interface SpecInput {
  config: ContainerConfig
  engineConfig: EngineConfig
  /** The mounted root file system. */
  rootfs: string
  /** Existing directory for this container's generated files; config.json is written by the caller. */
  bundle: string
  /** Host files for /etc/hosts, /etc/resolv.conf, /etc/hostname; absent ones are not bound. */
  hostsPath?: string
  resolvConfPath?: string
  hostnamePath?: string
  /** Namespace files for every kind whose mode is `container`. */
  namespacePaths?: NamespacePaths
  /** For ipc `shareable` (and `container`): the mounted directory that is /dev/shm. Absent: a tmpfs of the container's own. */
  shmDirectory?: string
  /** Tests and repeated calls pass what they read already. */
  cgroups?: CgroupInfo
  security?: SecurityFacts
}

export interface GeneratedSpec {
  spec: RuntimeSpec
  user: ContainerUser
  /** Asked for, without effect on this host; for the user to see. */
  warnings: string[]
}

interface Context {
  input: SpecInput
  options: SecurityOptions
  user: ContainerUser
  cgroups: CgroupInfo
  security: SecurityFacts
  warnings: string[]
}

/**
 * Makes the spec and, on the way, the files in the bundle directory and the working directory in the root file system.
 * Repeatable. Caller holds the container's lock; volumes exist and are mounted and filled. Throws TpodErrors naming the flag.
 */
export function generateSpec(input: SpecInput): GeneratedSpec {
  const { config, rootfs, bundle } = input
  const user = lookupUser(rootfs, config.process.user, groupsToAdd(config))
  const context: Context = {
    input, user, options: parseSecurityOptions(config.spec.securityOpt), cgroups: input.cgroups ?? detectCgroups(),
    security: input.security ?? readSecurityFacts(), warnings: [],
  }
  checkSupported(context)
  checkMountpoints(rootfs)
  prepareWorkingDirectory({ config, rootfs, bundle, user })
  prepareMountSources(config.mounts, user)
  if (!config.spec.readOnly) linkMtab(rootfs)
  const process = processSpec(context)
  const mounts = mountTable(context)
  const propagation = rootPropagation(mounts)
  const spec: RuntimeSpec = {
    ociVersion: '1.0.2',
    process,
    root: { path: rootfs, ...(config.spec.readOnly ? { readonly: true } : {}) },
    ...(config.spec.uts.mode === 'host' || config.spec.uts.mode === 'container' ? {} : { hostname: config.hostname }),
    mounts,
    annotations: { ...config.annotations },
    linux: { ...linuxSpec(context, process), ...(propagation === undefined ? {} : { rootfsPropagation: propagation }) },
  }
  return { spec, user, warnings: context.warnings }
}

/**
 * JSON text of a spec (or of one's process object, read back and changed). An unlimited rlimit is written as 2^64-1, which JavaScript's
 * numbers cannot express: plain JSON.stringify would write a number that the runtimes refuse.
 */
export function encodeSpec(spec: object): string {
  const text = JSON.stringify(spec, (_key, value: unknown) => (typeof value === 'number' && value >= 2 ** 64 ? '\u0000unlimited' : value))
  return text.replaceAll('"\\u0000unlimited"', '18446744073709551615')
}

function groupsToAdd(config: ContainerConfig): readonly string[] {
  if (config.spec.groupAdd.includes('keep-groups')) {
    throw new TpodError('BAD_FLAG', 'invalid --group-add "keep-groups": it is for rootless containers under crun', { remedy: 'name the groups' })
  }
  return config.spec.groupAdd
}

function checkSupported({ input, options, security }: Context): void {
  const { spec } = input.config
  if (options.apparmor !== undefined && options.apparmor !== 'unconfined' && !security.hasApparmor) {
    throw new TpodError('BAD_FLAG', `invalid --security-opt "apparmor=${options.apparmor}": apparmor profile ${JSON.stringify(options.apparmor)} specified, but Apparmor is not enabled on this system`)
  }
  if (Object.keys(options.labelParts).length > 0 && !security.hasSelinux) {
    throw new TpodError('BAD_FLAG', 'invalid --security-opt "label": SELinux is not enabled on this system')
  }
  if (options.seccomp !== undefined && options.seccomp !== 'unconfined' && !security.hasSeccomp) {
    throw new TpodError('BAD_FLAG', 'invalid --security-opt "seccomp": this kernel has no seccomp')
  }
  if (spec.cgroups === 'split') throw new TpodError('BAD_FLAG', 'invalid --cgroups "split": not supported yet, use enabled, disabled or no-conmon')
  if (spec.cgroups === 'disabled' && !input.engineConfig.engine.runtimeSupportsNocgroups.includes(input.config.runtime.name)) {
    throw new TpodError('BAD_FLAG', `invalid --cgroups "disabled": ${input.config.runtime.name} cannot run without cgroups`, { remedy: 'use --runtime crun' })
  }
}

function processSpec(context: Context): ProcessSpec {
  const { input, user, options, security } = context
  const { config, engineConfig } = input
  const { spec } = config
  const { argv, cwd } = config.process
  const capabilities = resolveCapabilities({
    defaults: engineConfig.containers.defaultCapabilities, add: spec.capAdd, drop: spec.capDrop, privileged: spec.privileged,
    isRootUser: user.uid === 0, available: security.boundingCapabilities,
  })
  for (const name of capabilities.missing) context.warnings.push(`--cap-add ${name} has no effect: this process may not give it`)
  const process: ProcessSpec = {
    terminal: spec.terminal,
    user: { uid: user.uid, gid: user.gid, umask: Number.parseInt(spec.umask ?? engineConfig.containers.umask, 8), additionalGids: user.additionalGids },
    args: spec.init ? [initMountpoint, '--', ...argv] : argv,
    env: containerEnvironment(config, user),
    cwd,
    capabilities: capabilities.sets,
    rlimits: resolveRlimits(spec.ulimits, engineConfig.containers.defaultUlimits, spec.ulimitHost, security),
    noNewPrivileges: options.noNewPrivileges,
  }
  const apparmor = options.apparmor ?? (security.hasApparmor && !spec.privileged ? engineConfig.containers.apparmorProfile : '')
  if (apparmor !== '' && apparmor !== 'unconfined') process.apparmorProfile = apparmor
  const score = oomScore(context)
  if (score !== undefined) process.oomScoreAdj = score
  return process
}

/** HOME comes from the container's passwd, unless someone set it. */
function containerEnvironment(config: ContainerConfig, user: ContainerUser): string[] {
  const { env } = config.process
  const hasHome = env.some((entry) => entry.startsWith('HOME='))
  const hostname = env.findIndex((entry) => entry.startsWith('HOSTNAME='))
  if (hasHome) return env
  return hostname < 0 ? [...env, `HOME=${user.home}`] : [...env.slice(0, hostname), `HOME=${user.home}`, ...env.slice(hostname)]
}

function oomScore({ input, security, warnings }: Context): number | undefined {
  const asked = input.config.spec.resources.oomScoreAdj
  if (asked === undefined || asked >= security.oomScoreAdj || security.mayRaiseLimits) return asked
  warnings.push(`--oom-score-adj ${asked} is raised to ${security.oomScoreAdj}: a lower value needs CAP_SYS_RESOURCE`)
  return security.oomScoreAdj
}

function mountTable({ input, options, user }: Context): RuntimeSpec['mounts'] {
  const { config, engineConfig } = input
  const files = writeBundleFiles({ config, rootfs: input.rootfs, bundle: input.bundle, user })
  const given: [string, string | undefined][] = [['/etc/resolv.conf', input.resolvConfPath], ['/etc/hosts', input.hostsPath], ['/etc/hostname', input.hostnamePath]]
  for (const [destination, path] of given) if (path !== undefined) files.set(destination, path)
  return resolveMountTable({
    spec: config.spec, mounts: config.mounts, files, procOptions: options.procOptions,
    shmSizeBytes: config.spec.shmSizeBytes ?? parseSizeBytes('shm_size', engineConfig.containers.shmSize),
    hasCgroups: config.spec.cgroups !== 'disabled',
    ...(input.shmDirectory === undefined ? {} : { shmDirectory: input.shmDirectory }),
    ...(config.spec.init && config.spec.initPath !== undefined ? { initPath: config.spec.initPath } : {}),
  })
}

function linuxSpec(context: Context, process: ProcessSpec): LinuxSpec {
  const { input, options, security, cgroups } = context
  const { config, engineConfig } = input
  const { spec } = config
  const { devices, rules } = resolveDevices({ requests: spec.devices, cgroupRules: spec.deviceCgroupRules, privileged: spec.privileged })
  const limits = resolveResources(spec.resources, spec.cgroups === 'disabled' ? 0 : engineConfig.containers.pidsLimit, rules, cgroups)
  context.warnings.push(...limits.warnings)
  const isConfined = security.hasSeccomp && options.seccomp !== 'unconfined' && (!spec.privileged || options.seccomp !== undefined)
  const seccomp = isConfined ? loadSeccompProfile(seccompPath(options, engineConfig), process.capabilities?.bounding ?? []) : undefined
  const sysctl = resolveSysctls(spec, engineConfig.containers.defaultSysctls)
  return {
    namespaces: resolveNamespaces(spec, input.namespacePaths ?? {}),
    ...(devices.length === 0 ? {} : { devices }),
    ...(spec.cgroups === 'disabled' ? {} : { cgroupsPath: config.cgroupPath }),
    resources: limits.resources,
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(seccomp === undefined ? {} : { seccomp }),
    ...resolveMaskedPaths(spec.privileged, options.mask, options.unmask),
  }
}

function seccompPath(options: SecurityOptions, engineConfig: EngineConfig): string | undefined {
  if (options.seccomp !== undefined && options.seccomp !== 'unconfined') return options.seccomp.path
  return engineConfig.containers.seccompProfile === '' ? undefined : engineConfig.containers.seccompProfile
}
