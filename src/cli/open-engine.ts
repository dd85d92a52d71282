/** Assembles the engine from global flags, environment and configuration files: the one place where they meet. */
import type { EngineConfig } from '../config/containers-conf.ts'
import { loadContainersConf } from '../config/containers-conf.ts'
import { loadStorageOptions } from '../config/storage-conf.ts'
import { TpodError } from '../errors/tpod-error.ts'
import { selfCommand } from '../host/process/self.ts'
import { type Engine, openEngine } from '../libpod/engine.ts'
import type { CommandContext } from './base-command.ts'
import type { GlobalValues } from './global-flags.ts'

type Globals = GlobalValues
type Context = Pick<CommandContext, 'env'>

/** Throws BAD_CONFIG, STORE_CORRUPT and the like; nothing is created by opening. */
export async function openCliEngine(globals: Globals, context: Context): Promise<Engine> {
  const { env } = context
  const uid = process.getuid?.() ?? 0
  const isRoot = uid === 0
  const home = await homeDirectory(env)
  const [config, store] = await Promise.all([
    configuration(globals, { env, isRoot, home }),
    loadStorageOptions({
      env, isRoot, uid, home,
      ...optional('storageOpts', globals['storage-opt'].length > 0 ? globals['storage-opt'] : undefined),
      ...optional('root', globals.root), ...optional('runroot', globals.runroot), ...optional('driver', globals['storage-driver']),
    }),
  ])
  return openEngine({
    store, config, hostEnv: env,
    selfCommand: [...selfCommand(), ...repeatedFlags(globals)],
    ...optional('runtime', globals.runtime),
    ...optional('cgroupManager', globals['cgroup-manager']),
    loadRegistries: once(async () => {
      const { loadRegistries } = await import('../config/registries-conf.ts')
      return loadRegistries({
        ...optional('configFile', env['CONTAINERS_REGISTRIES_CONF'] || env['REGISTRIES_CONFIG_PATH'] || undefined),
        ...optional('configDirectory', env['CONTAINERS_REGISTRIES_CONF_DIR'] || undefined),
        ...(isRoot ? {} : { userDirectory: `${env['XDG_CONFIG_HOME'] || `${home}/.config`}/containers` }),
        aliasesFile: isRoot ? '/var/cache/containers/short-name-aliases.conf' : `${env['XDG_CACHE_HOME'] || `${home}/.cache`}/containers/short-name-aliases.conf`,
      })
    }),
  })
}

/** containers.conf with the global flags laid over it. */
async function configuration(globals: Globals, place: { env: CommandContext['env']; isRoot: boolean; home: string }): Promise<EngineConfig> {
  const config = await loadContainersConf(place)
  if (globals.conmon !== undefined) config.engine.conmonPath = [globals.conmon]
  return config
}

/** What a second tpod (conmon's exit command) must be told to work on the same store in the same way. */
function repeatedFlags(globals: Globals): string[] {
  const single = (['root', 'runroot', 'storage-driver', 'runtime', 'cgroup-manager', 'conmon'] as const)
    .flatMap((name) => (globals[name] === undefined ? [] : [`--${name}`, globals[name]]))
  return [...single, ...globals['storage-opt'].flatMap((item) => ['--storage-opt', item])]
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | undefined
  return () => loading ??= load()
}

async function homeDirectory(env: CommandContext['env']): Promise<string> {
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
