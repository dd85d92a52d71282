/** Which registries.conf files are a user's. */
import type { RegistriesConfig } from '../config/registries-conf.ts'

interface Place {
  env: Readonly<Record<string, string | undefined>>
  isRoot: boolean
  home: string
}

/** `configFile` instead of the environment's, the user's or the system's; must exist. Throws what config/registries-conf.ts throws. */
export async function loadRegistriesOf({ env, isRoot, home }: Place, configFile?: string): Promise<RegistriesConfig> {
  const { loadRegistries } = await import('../config/registries-conf.ts')
  const file = configFile ?? (env['CONTAINERS_REGISTRIES_CONF'] || env['REGISTRIES_CONFIG_PATH'] || undefined)
  const directory = env['CONTAINERS_REGISTRIES_CONF_DIR'] || undefined
  return loadRegistries({
    ...(file === undefined ? {} : { configFile: file }),
    ...(directory === undefined ? {} : { configDirectory: directory }),
    ...(isRoot ? {} : { userDirectory: `${env['XDG_CONFIG_HOME'] || `${home}/.config`}/containers` }),
    aliasesFile: isRoot ? '/var/cache/containers/short-name-aliases.conf' : `${env['XDG_CACHE_HOME'] || `${home}/.cache`}/containers/short-name-aliases.conf`,
  })
}
