import type { ContainerSpec } from '../types.ts'

/** Variables that `http_proxy = true` of containers.conf passes on. */
const proxyNames = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'FTP_PROXY', 'NO_PROXY']

export interface EnvironmentInput {
  spec: Pick<ContainerSpec, 'env' | 'envHost' | 'hostEnv' | 'terminal' | 'unsetEnv' | 'unsetEnvAll'>
  imageEnv: readonly string[]
  /** containers.conf's env. */
  defaults: readonly string[]
  envHostByDefault: boolean
  /** The caller's environment for http_proxy; absent: none is passed on. */
  proxyEnv?: Readonly<Record<string, string | undefined>>
  hostname: string
}

/**
 * `NAME=value` in podman's order, later ones winning in place: defaults, TERM and container, proxies, the caller's (--env-host),
 * the image's, --env-file and -e, HOSTNAME. HOME is added when the container's passwd is at hand.
 * An image's entry without `=` is dropped: it must not name variables of the caller.
 */
export function resolveEnvironment(input: EnvironmentInput): string[] {
  const env = new Map<string, string>()
  const add = (entry: string): void => {
    const equals = entry.indexOf('=')
    if (equals > 0 && !entry.includes('\0')) env.set(entry.slice(0, equals), entry.slice(equals + 1))
  }
  input.defaults.forEach(add)
  if (!env.has('PATH')) env.set('PATH', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
  if (input.spec.terminal || !env.has('TERM')) env.set('TERM', 'xterm')
  env.set('container', 'podman')
  for (const name of proxyNames) {
    const value = input.proxyEnv?.[name]
    if (value !== undefined && value !== '') env.set(name, value)
  }
  if (input.spec.envHost || input.envHostByDefault) for (const [name, value] of Object.entries(input.spec.hostEnv ?? {})) env.set(name, value)
  input.imageEnv.forEach(add)
  if (input.spec.unsetEnvAll === true) env.clear()
  for (const name of input.spec.unsetEnv ?? []) env.delete(name)
  for (const { name, value } of input.spec.env) env.set(name, value)
  if (!env.has('HOSTNAME')) env.set('HOSTNAME', input.hostname)
  return [...env].map(([name, value]) => `${name}=${value}`)
}
