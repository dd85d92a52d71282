/** One end of `image scp`: where it is, and how a save or load is started there. */
import { TpodError } from '../../errors/tpod-error.ts'
import { readTextIfExists } from '../../host/fs/read-optional.ts'
import type { Engine } from '../engine.ts'

export type ScpEnd =
  | { kind: 'here'; image: string }
  | { kind: 'user'; user: string; image: string }
  | { kind: 'host'; host: string; image: string }

export interface PreparedCommand {
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
  /** For messages: ` on HOST`, or ''. */
  place: string
  /** It must not have our terminal, into which another user's programs could type commands (TIOCSTI). */
  hasOwnSession?: boolean
}

/** The command line that runs `podman ARGS` (or tpod) at that end. */
export type ScpCommand = (args: readonly string[]) => PreparedCommand

/** podman's grammar: `USER@localhost::IMAGE`, `HOST::IMAGE`, `IMAGE`. Throws BAD_ARGUMENTS for what ssh would take for an option. */
export function parseScpArgument(text: string): ScpEnd {
  const at = text.indexOf('::')
  const [place, image] = at < 0 ? ['', text] : [text.slice(0, at), text.slice(at + 2)]
  for (const part of [place, image]) if (part.startsWith('-')) throw badArgument(text, `${JSON.stringify(part)} would be taken for an option`)
  if (at < 0) return { kind: 'here', image }
  if (place === '') throw badArgument(text, 'a host must stand before ::')
  const user = /^([^@]+)@localhost$/.exec(place)?.[1]
  return user === undefined ? { kind: 'host', host: place, image } : { kind: 'user', user, image }
}

/** Both work on the same store. podman is the one that users without root have everywhere. */
const runThere = 'if [ "$(id -u)" = 0 ]; then a=tpod b=podman; else a=podman b=tpod; fi; command -v $a >/dev/null || a=$b; exec $a "$@"'

/** Throws NO_SUCH_USER, BAD_CONNECTION. */
export async function scpCommand(engine: Engine, end: ScpEnd): Promise<ScpCommand> {
  const { hostEnv, selfCommand } = engine.options
  if (end.kind === 'here') return (args) => ({ argv: [...selfCommand, ...args], env: hostEnv, place: '' })
  if (end.kind === 'user') return userCommand(engine, end.user)
  const { destination, flags } = await connection(engine, end.host)
  // The far shell splits the words again.
  return (args) => ({ argv: ['ssh', ...flags, '--', destination, ['sh', '-c', runThere, 'sh', ...args].map(quote).join(' ')], env: hostEnv, place: ` on ${end.host}` })
}

async function userCommand(engine: Engine, user: string): Promise<ScpCommand> {
  const { hostEnv, selfCommand } = engine.options
  const { uid, gid } = await findUser(user)
  const own = process.getuid?.() ?? 0
  if (uid === own) return (args) => ({ argv: [...selfCommand, ...args], env: hostEnv, place: '' })
  const shell = ['env', `XDG_RUNTIME_DIR=/run/user/${uid}`, 'sh', '-c', `cd; ${runThere}`, 'sh']
  const asUser = own === 0 ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--init-groups', '--reset-env'] : ['sudo', '-u', user, '-H']
  // sudo asks for a password on the terminal, and gives the other side one of its own (use_pty).
  return (args) => ({ argv: [...asUser, ...uid === 0 ? ['sh', '-c', runThere, 'sh'] : shell, ...args], env: hostEnv, place: ` of ${user}`, ...own === 0 ? { hasOwnSession: true } : {} })
}

async function findUser(name: string): Promise<{ uid: number; gid: number }> {
  const { parsePasswd } = await import('../../host/user/lookup-user.ts')
  const entry = parsePasswd(readTextIfExists('/etc/passwd') ?? '').find((each) => each.name === name)
  if (entry === undefined) throw new TpodError('NO_SUCH_USER', `find user ${name}: unknown user`, { remedy: 'name a user of this machine, or a host' })
  return entry
}

interface Connection { destination: string; flags: readonly string[] }

/** A connection by its name, or a host as written. */
async function connection(engine: Engine, host: string): Promise<Connection> {
  const { serviceDestinations } = engine.config.engine
  const stored = Object.hasOwn(serviceDestinations, host) ? serviceDestinations : storedConnections(engine)
  const known = Object.hasOwn(stored, host) ? stored[host] : undefined
  if (known === undefined) return toSsh(`ssh://${host}`, undefined, host)
  return toSsh(known.uri, known.identity, host)
}

function toSsh(uri: string, identity: string | undefined, shownAs: string): Connection {
  let url: URL
  try {
    url = new URL(uri)
  } catch {
    throw new TpodError('BAD_CONNECTION', `connect to ${shownAs}: ${JSON.stringify(uri)} is no address`, { remedy: 'give [USER@]HOST[:PORT]' })
  }
  if (url.protocol !== 'ssh:') throw new TpodError('BAD_CONNECTION', `connect to ${shownAs}: ${JSON.stringify(uri)} is not reached by ssh`, { remedy: 'give a connection whose address begins with ssh://' })
  const user = decodeURIComponent(url.username)
  const name = url.hostname.replace(/^\[|\]$/g, '')
  if (name === '' || name.startsWith('-') || user.startsWith('-')) throw new TpodError('BAD_CONNECTION', `connect to ${shownAs}: no usable host in ${JSON.stringify(uri)}`)
  return {
    destination: user === '' ? name : `${user}@${name}`,
    flags: [...identity === undefined || identity === '' ? [] : ['-i', identity], ...url.port === '' ? [] : ['-p', url.port]],
  }
}

/** What `podman system connection add` writes since 4.8. */
function storedConnections({ options: { hostEnv } }: Engine): Record<string, { uri: string; identity?: string }> {
  const directory = hostEnv['XDG_CONFIG_HOME'] || `${hostEnv['HOME'] || '/root'}/.config`
  const path = hostEnv['PODMAN_CONNECTIONS_CONF'] || `${directory}/containers/podman-connections.json`
  const text = readTextIfExists(path)
  if (text === undefined) return {}
  try {
    const document = JSON.parse(text) as { Connection?: { Connections?: Record<string, { URI?: unknown; Identity?: unknown }> } }
    const entries = Object.entries(document.Connection?.Connections ?? {}).filter(([, each]) => typeof each?.URI === 'string')
    return Object.fromEntries(entries.map(([name, { URI, Identity }]) => [name, { uri: URI as string, ...typeof Identity === 'string' ? { identity: Identity } : {} }]))
  } catch (cause) {
    throw new TpodError('BAD_CONFIG', `read ${path}: not JSON`, { cause, remedy: `correct or remove ${path}` })
  }
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

function badArgument(text: string, why: string): TpodError {
  return new TpodError('BAD_ARGUMENTS', `copy ${text}: ${why}`)
}
