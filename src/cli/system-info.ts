/** What `info` shows, in podman's shape. Facts that cannot be had are left empty: `info` is asked when something is wrong. */
import { readFileSync, statSync, statfsSync } from 'node:fs'
import { availableParallelism, freemem, hostname, release, totalmem, uptime } from 'node:os'
import { errorMessage } from '../errors/tpod-error.ts'
import { detectCgroups } from '../host/cgroup/detect.ts'
import { runCommand } from '../host/process/run.ts'
import { readSecurityFacts } from '../host/security/security-facts.ts'
import type { Engine } from '../libpod/engine.ts'
import { listContainerIds, observeState, unlessDamaged } from '../libpod/state/container-files.ts'
import { hostPlatform } from '../oci/platform.ts'
import { version } from './version.ts'

export async function systemInfo(engine: Engine): Promise<Record<string, unknown>> {
  const [host, store, registries, volumes] = await Promise.all([hostInfo(engine), storeInfo(engine), registriesInfo(engine), engine.volumes()])
  return {
    host,
    plugins: { authorization: null, log: ['k8s-file', 'none', 'passthrough', 'journald'], network: ['bridge'], volume: ['local'] },
    registries,
    store: { ...store, volumePath: volumes.dataDirectory },
    version: { APIVersion: version, Os: 'linux', OsArch: osArch(), Version: version },
  }
}

function osArch(): string {
  return `linux/${hostPlatform(process.arch).architecture}`
}

async function hostInfo(engine: Engine): Promise<Record<string, unknown>> {
  const cgroups = detectCgroups()
  const controllers = cgroups.version === 'v2' ? cgroups.v2Controllers : [...cgroups.v1Mounts.keys()].filter((name) => !name.includes('='))
  const [conmon, runtime, cgroupManager] = await Promise.all([conmonInfo(engine), runtimeInfo(engine), engine.cgroupManager()])
  const memory = readFacts('/proc/meminfo', /^(\w+):\s+(\d+)/gm)
  const security = readSecurityFacts()
  const config = engine.config.containers
  return {
    arch: hostPlatform(process.arch).architecture,
    cgroupControllers: controllers, cgroupManager, cgroupVersion: cgroups.version === 'v2' ? 'v2' : 'v1', conmon,
    cpus: availableParallelism(), distribution: distribution(), eventLogger: 'none', hostname: hostname(),
    idMappings: { gidmap: null, uidmap: null }, kernel: release(), linkmode: 'static', logDriver: config.logDriver,
    memFree: freemem(), memTotal: totalmem(), networkBackend: 'tpod', ociRuntime: runtime, os: 'linux',
    security: {
      apparmorEnabled: security.hasApparmor, capabilities: config.defaultCapabilities.map((name) => (name.startsWith('CAP_') ? name : `CAP_${name}`)).join(','),
      rootless: process.getuid?.() !== 0, seccompEnabled: security.hasSeccomp, seccompProfilePath: config.seccompProfile || '/usr/share/containers/seccomp.json',
      selinuxEnabled: existsFile('/sys/fs/selinux/enforce'),
    },
    serviceIsRemote: false,
    swapFree: 1024 * Number(memory['SwapFree'] ?? 0), swapTotal: 1024 * Number(memory['SwapTotal'] ?? 0), uptime: uptimeText(uptime()),
  }
}

async function conmonInfo(engine: Engine): Promise<Record<string, string>> {
  const { findConmon } = await import('../libpod/conmon/find-conmon.ts')
  try {
    const path = findConmon(engine.config)
    return { path, version: (await programVersion(path)).replace('\n', ', ') }
  } catch (error) {
    return { path: '', version: errorMessage(error) }
  }
}

async function runtimeInfo(engine: Engine): Promise<Record<string, string>> {
  try {
    const { name, path } = await engine.runtime()
    return { name, path, version: await programVersion(path) }
  } catch (error) {
    return { name: '', path: '', version: errorMessage(error) }
  }
}

async function programVersion(path: string): Promise<string> {
  try {
    return (await runCommand(path, ['--version'], { timeoutMs: 5000 })).stdout.toString().trim()
  } catch (error) {
    return errorMessage(error)
  }
}

async function storeInfo(engine: Engine): Promise<Record<string, unknown>> {
  const { store } = engine
  const [images, containers] = [await store.listImages(), listContainerIds(engine.state).map((id) => unlessDamaged(() => observeState(engine.state, id))?.status ?? 'unknown')]
  const count = (...states: string[]): number => containers.filter((status) => states.includes(status)).length
  return {
    configFile: storageConfFile(),
    containerStore: { number: containers.length, paused: count('paused'), running: count('running'), stopped: containers.length - count('paused', 'running') },
    graphDriverName: store.driverName, graphOptions: store.options.driverOptions, graphRoot: store.graphRoot, ...diskSpace(store.graphRoot),
    graphStatus: { 'Backing Filesystem': fileSystemName(store.graphRoot), 'Native Overlay Diff': 'true', 'Supports d_type': 'true', 'Using metacopy': 'false' },
    imageCopyTmpDir: '/var/tmp', imageStore: { number: images.length }, runRoot: store.runRoot,
  }
}

function storageConfFile(): string {
  return ['/etc/containers/storage.conf', '/usr/share/containers/storage.conf'].find(existsFile) ?? '/usr/share/containers/storage.conf'
}

async function registriesInfo(engine: Engine): Promise<Record<string, unknown>> {
  try {
    const config = await engine.options.loadRegistries?.()
    const search = config?.searchRegistries ?? []
    return search.length === 0 ? {} : { search }
  } catch (error) {
    return { error: errorMessage(error) }
  }
}

function diskSpace(path: string): Record<string, number> {
  try {
    const { blocks, bsize, bfree } = statfsSync(path)
    return { graphRootAllocated: blocks * bsize, graphRootUsed: (blocks - bfree) * bsize }
  } catch {
    return { graphRootAllocated: 0, graphRootUsed: 0 } // Nothing was stored yet.
  }
}

/** f_type of statfs(2), those that stores lie on. */
const fileSystems: Readonly<Record<number, string>> = {
  0xef53: 'extfs', 0x58465342: 'xfs', 0x9123683e: 'btrfs', 0x01021994: 'tmpfs', 0x794c7630: 'overlayfs', 0x6969: 'nfs', 0x2fc12fc1: 'zfs', 0xf2f52010: 'f2fs',
}

function fileSystemName(path: string): string {
  try {
    return fileSystems[statfsSync(path).type] ?? '<unknown>'
  } catch {
    return '<unknown>'
  }
}

function distribution(): Record<string, string> {
  const facts = readFacts('/etc/os-release', /^(\w+)="?([^"\n]*)"?$/gm)
  return {
    ...(facts['VERSION_CODENAME'] === undefined ? {} : { codename: facts['VERSION_CODENAME'] }),
    distribution: facts['ID'] ?? 'unknown', version: facts['VERSION_ID'] ?? 'unknown',
  }
}

function readFacts(path: string, pattern: RegExp): Record<string, string> {
  try {
    return Object.fromEntries([...readFileSync(path, 'utf8').matchAll(pattern)].map((match) => [match[1], match[2]]))
  } catch {
    return {}
  }
}

function existsFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function uptimeText(seconds: number): string {
  const hours = Math.floor(seconds / 3600)
  return `${hours}h ${Math.floor((seconds % 3600) / 60)}m ${(seconds % 60).toFixed(2)}s${hours >= 1 ? ` (Approximately ${(hours / 24).toFixed(2)} days)` : ''}`
}
