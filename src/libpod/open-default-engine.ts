/** Assembles an engine as podman's configuration says: containers.conf, storage.conf, registries.conf and the user's own. */
import type { EngineConfig } from '../config/containers-conf.ts'
import { loadContainersConf } from '../config/containers-conf.ts'
import type { RegistriesConfig } from '../config/registries-conf.ts'
import { loadRegistriesOf } from './registries-of.ts'
import { loadStorageOptions } from '../config/storage-conf.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { ownEnvironment, selfCommand } from '../host/process/self.ts'
import { type Engine, openEngine } from './engine.ts'

type Env = Readonly<Record<string, string | undefined>>

export interface DefaultEngineOptions {
  /** HOME, XDG_*, CONTAINERS_CONF, … as podman reads them. Default: this process's. Never handed to a container by itself. */
  env?: Env
  /** Graph root, instead of storage.conf's. */
  root?: string
  /** Run root, instead of storage.conf's. */
  runroot?: string
  storageDriver?: string
  /** `overlay.mountopt=nodev`; replaces storage.conf's. */
  storageOpts?: readonly string[]
  /** Name or path of the OCI runtime. */
  runtime?: string
  cgroupManager?: string
  /** Where volumes keep their data, instead of containers.conf's. */
  volumePath?: string
  /** Path of conmon. */
  conmon?: string
  /** Sent to registries. */
  userAgent?: string
  /** A name without a registry means docker.io, whatever registries.conf says of aliases and search registries. */
  dockerNames?: boolean
  /** Told of configured things that are left out, such as an additional image store that is away; absent: an error, when one is needed. */
  onWarning?: (warning: string) => void
}

/**
 * Opens the store and reads containers.conf and storage.conf; what else there is (registries.conf, credentials, networks) is
 * read when it is first needed. Nothing is created by opening and nothing has to be closed; engines on several stores do
 * not know of each other. Throws BAD_CONFIG, STORE_CORRUPT and the like.
 */
export async function openDefaultEngine(options: DefaultEngineOptions = {}): Promise<Engine> {
  const env = options.env ?? ownEnvironment()
  const uid = process.getuid?.() ?? 0
  const place = { env, uid, isRoot: uid === 0, home: await homeDirectory(env) }
  const { root, runroot, storageDriver, storageOpts, runtime, cgroupManager, userAgent } = options
  const [config, store] = await Promise.all([
    configuration(options, place),
    loadStorageOptions({
      ...place, ...optional('storageOpts', storageOpts), ...optional('root', root), ...optional('runroot', runroot), ...optional('driver', storageDriver),
    }),
  ])
  return openEngine({
    store: { ...store, ...optional('onWarning', options.onWarning) }, config, hostEnv: env,
    selfCommand: [...selfCommand(), ...repeatedFlags(options)],
    ...optional('runtime', runtime), ...optional('cgroupManager', cgroupManager), ...optional('userAgent', userAgent),
    loadRegistries: registriesOf(place, options.dockerNames === true),
  })
}

interface Place { env: Env; isRoot: boolean; home: string }

/** Read once, when first asked: most operations never need these files, nor their parser. */
function registriesOf(place: Place, isDockers: boolean): () => Promise<RegistriesConfig> {
  let loading: Promise<RegistriesConfig> | undefined
  return () => loading ??= loadRegistriesOf(place).then((config) => (isDockers ? { ...config, ...dockerNames } : config))
}

const dockerNames: Pick<RegistriesConfig, 'searchRegistries' | 'searchOrigin' | 'shortNameMode' | 'aliases'> = {
  searchRegistries: ['docker.io'], searchOrigin: 'called as docker', shortNameMode: 'disabled', aliases: new Map(),
}

async function configuration({ conmon, volumePath }: DefaultEngineOptions, place: Place): Promise<EngineConfig> {
  const config = await loadContainersConf(place)
  if (conmon !== undefined) config.engine.conmonPath = [conmon]
  if (volumePath !== undefined) config.engine.volumePath = volumePath
  return config
}

/** What a second tpod (conmon's exit command) must be told to work on the same store in the same way. */
function repeatedFlags(options: DefaultEngineOptions): string[] {
  const { root, runroot, storageDriver, runtime, cgroupManager, conmon, volumePath } = options
  const flags = { root, runroot, 'storage-driver': storageDriver, runtime, 'cgroup-manager': cgroupManager, conmon, volumepath: volumePath }
  const single = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]))
  return [...single, ...(options.storageOpts ?? []).flatMap((item) => ['--storage-opt', item])]
}

async function homeDirectory(env: Env): Promise<string> {
  if (env['HOME']) return env['HOME']
  const { userInfo } = await import('node:os')
  try {
    return userInfo().homedir
  } catch {
    throw new TpodError('NO_HOME', 'find the home directory: $HOME is not set and the user has no passwd entry', { remedy: 'set HOME' })
  }
}

/** exactOptionalPropertyTypes-style: the key is absent where the value is undefined. */
function optional<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return (value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value }
}
