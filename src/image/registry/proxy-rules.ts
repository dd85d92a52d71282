/** Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY as podman (Go's httpproxy) reads them. */
import { TpodError } from '../../errors/tpod-error.ts'
import { parseNoProxy } from './no-proxy.ts'

export interface Proxy {
  protocol: 'http:' | 'https:'
  /** Without brackets. */
  host: string
  port: number
  /** Value for Proxy-Authorization; a secret. */
  authorization?: string
  /** For messages: no user name, no password. */
  shown: string
  /** Where it is set. */
  variable: string
}

/** Undefined: straight to the host. Throws BAD_PROXY for a variable that would have to be used and cannot be. */
export type ProxyRules = (url: URL) => Proxy | undefined

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Undefined: no proxy at all. Upper case wins, an empty variable counts as absent. Under CGI, HTTP_PROXY is not read: there
 * the Proxy header of whoever sent the request arrives by that name (httpoxy).
 */
export function proxyRules(env: Environment): ProxyRules | undefined {
  const find = (...names: string[]): string | undefined => names.find((name) => (env[name] ?? '') !== '')
  const secure = find('HTTPS_PROXY', 'https_proxy')
  const plain = env['REQUEST_METHOD'] ? find('http_proxy') : find('HTTP_PROXY', 'http_proxy')
  if (secure === undefined && plain === undefined) return undefined
  const noProxy = find('NO_PROXY', 'no_proxy')
  const isDirect = parseNoProxy(noProxy === undefined ? '' : env[noProxy]!)
  const parsed = new Map<string, Proxy>()
  return (url) => {
    const variable = url.protocol === 'https:' ? secure : plain
    if (variable === undefined || isDirect(url.hostname, portOf(url))) return undefined
    const proxy = parsed.get(variable) ?? parseProxy(env[variable]!, variable)
    parsed.set(variable, proxy)
    return proxy
  }
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}

/** No message shows the value: it may hold a password, and where that has to be escaped and is not, nobody can say which part it is. */
function parseProxy(value: string, variable: string): Proxy {
  const text = /^[a-z][a-z\d+.-]*:\/\//i.test(value) ? value : `http://${value}`
  const refuse = (why: string): TpodError => new TpodError('BAD_PROXY', `use the proxy of ${variable}: ${why}`, { remedy: `${variable}=http://[USER:PASSWORD@]HOST:PORT, with special characters of user and password as %XX` })
  if (!URL.canParse(text)) throw refuse('not a URL')
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse(`${url.protocol.slice(0, -1)} proxies are not supported, only http and https`)
  // An unescaped / ? or # in the password ends the host name early: the request would go to a host named like the user.
  if (`${url.pathname}${url.search}${url.hash}`.includes('@')) throw refuse('not a URL')
  const authorization = basic(url)
  if (authorization === undefined) throw refuse('user or password is not escaped properly')
  return {
    protocol: url.protocol,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(url),
    ...(authorization === '' ? {} : { authorization }),
    shown: `${url.protocol}//${url.host}`,
    variable,
  }
}

/** Empty: no user. Undefined: a % that escapes nothing. */
function basic({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return ''
  try {
    return 'Basic ' + Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  } catch {
    return undefined
  }
}
