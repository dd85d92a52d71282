/**
 * Starts a created container. The order is the crash plan: live marker, then mounts and network reservation, then conmon and
 * the runtime's `create`, then the record with the pid ('initialized'), then `start`, then 'running'. Whatever of it a kill -9
 * leaves, the marker leads the next command to it.
 */
import { closeSync, mkdirSync, writeFileSync } from 'node:fs'
import { posix } from 'node:path'
import { errorCode } from '../../errors/tpod-error.ts'
import { detectCgroups, type CgroupInfo } from '../../host/cgroup/detect.ts'
import { hastenNextMove, moveMonitor } from '../../host/cgroup/monitor-cgroup.ts'
import type { NetworkManager, NetworkReservation } from '../../network/types.ts'
import { findConmon } from '../conmon/find-conmon.ts'
import { startConmon, type Conmon } from '../conmon/start-conmon.ts'
import type { ConmonOptions } from '../conmon/conmon-args.ts'
import { helperEnv, type Engine } from '../engine.ts'
import type { ContainerConfig, ContainerState } from '../types.ts'
import { parseLogSize } from '../spec/parse/numbers.ts'
import { containerPaths } from '../state/container-paths.ts'
import { readState } from '../state/container-files.ts'
import { processStartTime } from '../../host/process/liveness.ts'
import { markLive, removeMarker } from '../state/live-marker.ts'
import { saveState } from '../state/sync-state.ts'
import { attachStreams, type AttachSession, type AttachStreams } from './attach-streams.ts'
import type { OciRuntime } from '../../ociruntime/oci-runtime.ts'
import { keepCompiledFilter } from '../../ociruntime/seccomp-cache.ts'
import { sendSignal } from './kill-container.ts'

export interface LaunchOptions {
  /** Attached before the first instruction runs, so that no output is missed. */
  streams?: AttachStreams
  /** The caller stays, owns the live marker, and cleans up: conmon's exit command waits. */
  isForeground: boolean
  /** What was asked for but has no effect on this host. */
  onWarning?: ((warning: string) => void) | undefined
}

export interface LaunchedContainer {
  state: ContainerState
  conmon: Conmon
  session?: AttachSession
  /** Reaping what killed commands left, begun while the runtime was at work. Never rejects; to be awaited before the process ends. */
  recovery: Promise<void>
}

/** Seconds that a foreground process has, after the container's end, to clean up before conmon's exit command looks. */
const foregroundGraceSec = 5

/**
 * Caller holds the container's lock and has checked that it does not run. On failure everything is undone, the state says why,
 * and the error carries podman's exit code (125, 126, 127).
 */
export async function launchContainer(engine: Engine, config: ContainerConfig, options: LaunchOptions): Promise<LaunchedContainer> {
  const cgroups = detectCgroups()
  hastenNextMove(cgroups)
  const launch: Launch = { engine, config, options, runtime: await engine.runtimeOf(config), previous: readState(engine.state, config.id), cgroups }
  if (!options.isForeground) markLive(engine.state, config.id)
  try {
    return await launchSteps(launch)
  } catch (error) {
    launch.session?.close()
    launch.conmon?.end()
    await undoLaunch(launch)
    throw error
  }
}

interface Launch {
  engine: Engine
  config: ContainerConfig
  options: LaunchOptions
  runtime: OciRuntime
  previous: ContainerState
  cgroups: CgroupInfo
  network?: NetworkManager
  reservation?: NetworkReservation
  conmon?: Conmon
  session?: AttachSession
}

async function launchSteps(launch: Launch): Promise<LaunchedContainer> {
  const { engine, config, options, runtime } = launch
  const bundle = engine.store.containerRunDirectory(config.id)
  const [mountpoint] = await Promise.all([engine.store.mountContainer(config.id), reserveNetwork(launch)])
  const { writeBundle } = await import('./write-bundle.ts')
  const { warnings, filterPath } = await writeBundle(engine, config, { bundle, mountpoint, cgroups: launch.cgroups, ...(launch.reservation === undefined ? {} : { reservation: launch.reservation }) })
  for (const warning of warnings) options.onWarning?.(warning)
  // Of an earlier run: conmon's new one must not be mistaken for it.
  removeMarker(containerPaths(engine.state, config.id).exit)
  const conmon = startMonitor(launch, bundle)
  launch.conmon = conmon
  const { recoverQuietly } = await import('./recover.ts')
  const recovery = recoverQuietly(engine)
  const { network, reservation } = launch
  const prepared = reservation === undefined ? undefined : network?.prepare(reservation)
  prepared?.catch(() => undefined)
  const pid = await conmon.created
  // conmon itself writes its pid only where it puts itself into the background.
  if (config.spec.conmonPidfile !== undefined) writeFileSync(config.spec.conmonPidfile, String(conmon.pid))
  if (filterPath !== undefined) keepCompiledFilter(filterPath, `${runtime.root}/${config.id}`)
  await prepared
  if (reservation !== undefined) await network?.attach(reservation, pid)
  const state: ContainerState = {
    ...launch.previous, status: 'initialized', pid, pidStartTime: processStartTime(pid), conmonPid: conmon.pid,
    conmonStartTime: processStartTime(conmon.pid), error: '', exitCode: 0, oomKilled: false, mountpoint,
    interfaces: reservation?.interfaces ?? [], execIds: [],
  }
  delete state.exitCodeUnknown
  await saveState(engine.state, config, state, { isPassing: true })
  if (options.streams !== undefined) {
    launch.session = await attachStreams(bundle, options.streams, (signal) => { sendSignal(state, signal) })
  }
  state.startedAt = new Date().toISOString()
  await runtime.start(config.id)
  state.status = 'running'
  await saveState(engine.state, config, state)
  return { state, conmon, recovery, ...(launch.session === undefined ? {} : { session: launch.session }) }
}

/** In a group of its own, as podman's: but for `--cgroups`, and systemd's manager, who would have to be asked. */
function startMonitor(launch: Launch, bundle: string): Conmon {
  const { engine, config, runtime } = launch
  const heldFds = launch.network?.takePortDescriptors(config.id) ?? []
  try {
    const conmon = startConmon(findConmon(engine.config), conmonOptions(launch, bundle), {
      action: `start container ${config.name}`, runtimeName: runtime.name, env: helperEnv(engine.options), heldFds,
      ...(config.process.argv[0] === undefined ? {} : { command: config.process.argv[0] }),
    })
    if (config.spec.cgroups === 'enabled' && !runtime.systemdCgroup) moveMonitor(launch.cgroups, posix.dirname(config.cgroupPath), conmon.pid)
    return conmon
  } finally {
    for (const fd of heldFds) closeSync(fd)
  }
}

const heldByOther: ReadonlySet<string> = new Set(['PORT_IN_USE', 'IP_IN_USE', 'NETWORK_FULL'])

async function reserveNetwork(launch: Launch): Promise<void> {
  const { config, engine } = launch
  const { network } = config.spec
  if (network.mode !== 'bridge') return
  const manager = await engine.network()
  launch.network = manager
  const reserve = (): Promise<NetworkReservation> => manager.reserve({
    containerId: config.id, containerName: config.name, networks: network.networks, ports: config.ports,
  })
  try {
    launch.reservation = await reserve()
  } catch (error) {
    if (!heldByOther.has(errorCode(error) ?? '')) throw error
    // By what a killed command left, perhaps.
    const { recoverQuietly } = await import('./recover.ts')
    await recoverQuietly(engine)
    launch.reservation = await reserve()
  }
}

function conmonOptions(launch: Launch, bundle: string): ConmonOptions {
  const { engine, config, runtime, options } = launch
  mkdirSync(engine.state.exits, { recursive: true, mode: 0o700 })
  const { selfCommand } = engine.options
  const maxSize = config.spec.logOptions['max-size']
  const conmon: ConmonOptions = {
    containerId: config.id, uuid: config.id, name: config.name, bundle,
    pidFile: config.spec.pidfile ?? `${bundle}/pidfile`,
    exitDirectory: engine.state.exits, persistDirectory: bundle,
    runtimePath: runtime.path, runtimeArgs: runtime.globalArgs, systemdCgroup: runtime.systemdCgroup,
    terminal: config.spec.terminal, stdin: config.spec.stdin,
    logDriver: config.logDriver, logPath: config.logPath, timeoutSec: config.spec.timeoutSec,
    syncLog: !config.spec.remove,
    exitCommand: selfCommand.length === 0 ? [] : [...selfCommand, 'container', 'cleanup', config.id],
    exitDelaySec: options.isForeground ? foregroundGraceSec : 0,
    noNewKeyring: false, noPivot: engine.config.engine.noPivotRoot,
  }
  if (maxSize !== undefined) conmon.logSizeMaxBytes = parseLogSize(maxSize)
  else if (engine.config.containers.logSizeMax > 0) conmon.logSizeMaxBytes = engine.config.containers.logSizeMax
  const tag = config.spec.logOptions['tag'] ?? engine.config.containers.logTag
  if (tag !== '' && config.logDriver === 'journald') conmon.logTag = tag
  return conmon
}

/** Best effort: the first error is the one to report, and what fails here the next command's recovery repeats. */
async function undoLaunch(launch: Launch): Promise<void> {
  const { engine, config, runtime } = launch
  try {
    if (launch.conmon !== undefined) await runtime.destroy(config.id)
    await saveState(engine.state, config, { ...launch.previous, pid: 0, pidStartTime: '', conmonPid: 0, conmonStartTime: '', mountpoint: '' })
    const { cleanupLocked } = await import('./cleanup-container.ts')
    await cleanupLocked(engine, config)
  } catch (error) {
    if (errorCode(error) === undefined) throw error
  }
}
