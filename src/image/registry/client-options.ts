/** How one registry is reached, from what the context and the endpoint's options say. */
import type { EndpointOptions, TransportContext } from '../types.ts'
import type { RegistryClientOptions, Scheme } from './client.ts'
import { proxyRules } from './proxy-rules.ts'

export interface ConnectionOptions extends Omit<RegistryClientOptions, 'host' | 'repository' | 'actions'> {
  /** Directories of registries.d; default the system's. */
  registriesDirectories?: readonly string[]
  /** Where they lie where registries.d names no place. */
  lookasideDirectory?: string
}

const defaultStallTimeoutMs = 60_000
const defaultRetries = 3

const schemesOf = new WeakMap<object, Map<string, Promise<Scheme | undefined>>>()

/** `name` = host/path (or the host alone), by which credentials are found. `insecure` = what registries.conf says; the option decides over it. `named` = the registry that the user named, where that is not who is asked: a mirror gets no login that was given for it. */
export function connectionOptions(context: Partial<TransportContext> & Pick<TransportContext, 'credentials'>, name: string, insecure: boolean, options: EndpointOptions, named?: string): ConnectionOptions {
  const proxyFor = proxyRules(context.proxyEnv ?? {})
  const given = options.credentials ?? context.credentials
  const isNamed = named === undefined || named === name.split('/', 1)[0]
  const credentials = isNamed ? given : (given.forOthers ?? given)
  const { onProgress } = options
  let schemes = schemesOf.get(context)
  if (schemes === undefined) schemesOf.set(context, (schemes = new Map()))
  return {
    tls: {
      insecure: options.tlsVerify === undefined ? insecure : !options.tlsVerify,
      certDirectories: context.certDirectories ?? ['/etc/containers/certs.d', '/etc/docker/certs.d'],
      ...(options.certDirectory === undefined ? {} : { certDirectory: options.certDirectory }),
    },
    ...(proxyFor === undefined ? {} : { proxyFor }),
    schemes,
    credentials: () => credentials.find(name),
    ...(options.registryToken === undefined || !isNamed ? {} : { registryToken: options.registryToken }),
    ...(context.registriesDirectories === undefined ? {} : { registriesDirectories: context.registriesDirectories }),
    ...(context.lookasideDirectory === undefined ? {} : { lookasideDirectory: context.lookasideDirectory }),
    userAgent: context.userAgent ?? 'tpod',
    stallTimeoutMs: options.stallTimeoutMs ?? defaultStallTimeoutMs,
    retryDelayMs: options.retryDelayMs ?? 500,
    attempts: (options.retries ?? defaultRetries) + 1,
    ...(onProgress === undefined ? {} : { onRetry: (what, why, attempt, delayMs) => onProgress({ type: 'retry', what, why, attempt, delayMs }) }),
  }
}
