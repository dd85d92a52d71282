/**
 * docker-credential-helpers protocol: `docker-credential-NAME get|store|erase|list`, a server's name or JSON on stdin, JSON on
 * stdout. Secrets go by the pipes alone, never by arguments or the environment.
 */
import { spawn } from 'node:child_process'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import type { Credentials } from './auth-file.ts'

const timeoutMs = 60_000
/** What helpers say when they don't know a server; on standard output, as the protocol wants it. */
const notFound = /credentials not found/i
const maxOutputBytes = 1024 * 1024

/**
 * Undefined when the helper knows no credentials for `server`. Throws CREDENTIAL_HELPER_FAILED when it is missing,
 * fails or talks nonsense; its output is not repeated, as it may hold the secret.
 */
export async function askCredentialHelper(name: string, server: string): Promise<Credentials | undefined> {
  const program = programOf(name)
  const { exitCode, output } = await runHelper(program, 'get', server)
  if (exitCode !== 0) {
    if (notFound.test(output)) return undefined
    throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: exit status ${exitCode}`, { remedy: `echo ${server} | ${program} get` })
  }
  const json = parseAnswer(output) as { Username?: unknown; Secret?: unknown } | undefined
  if (json === undefined) throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: its answer is not JSON`)
  if (typeof json.Username !== 'string' || typeof json.Secret !== 'string') throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: no Username or Secret in its answer`)
  // The protocol's mark for an OAuth2 refresh token.
  return json.Username === '<token>' ? { username: '', password: '', identityToken: json.Secret } : { username: json.Username, password: json.Secret }
}

/** Throws CREDENTIAL_HELPER_FAILED. */
export async function storeInHelper(name: string, server: string, credentials: { username: string; password: string }): Promise<void> {
  const program = programOf(name)
  const { exitCode } = await runHelper(program, 'store', JSON.stringify({ ServerURL: server, Username: credentials.username, Secret: credentials.password }))
  if (exitCode !== 0) throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} store for ${server}: exit status ${exitCode}`)
}

/** False when the helper knows no such server. Throws CREDENTIAL_HELPER_FAILED. */
export async function eraseFromHelper(name: string, server: string): Promise<boolean> {
  const program = programOf(name)
  const { exitCode, output } = await runHelper(program, 'erase', server)
  if (exitCode === 0) return true
  if (notFound.test(output)) return false
  throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} erase for ${server}: exit status ${exitCode}`)
}

/** The servers that it has credentials for. Throws CREDENTIAL_HELPER_FAILED; with `mayBeMissing` a program that is not installed has none. */
export async function listHelper(name: string, options: { mayBeMissing?: boolean } = {}): Promise<string[]> {
  const program = programOf(name)
  const answer = await runHelper(program, 'list', '').catch((error: unknown) => {
    if (options.mayBeMissing === true && error instanceof TpodError && errorCode(error.cause) === 'ENOENT') return undefined
    throw error
  })
  if (answer === undefined) return []
  const json = answer.exitCode === 0 ? parseAnswer(answer.output) : undefined
  if (json === undefined) throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} list: ${answer.exitCode === 0 ? 'its answer is not JSON' : `exit status ${answer.exitCode}`}`)
  return Object.keys(json)
}

/** The name comes from a file that other tools write; it must not become a path. */
function programOf(name: string): string {
  if (!/^[\w.-]+$/.test(name)) throw new TpodError('CREDENTIAL_HELPER_FAILED', `run credential helper ${JSON.stringify(name)}: invalid name`)
  return `docker-credential-${name}`
}

function parseAnswer(output: string): object | undefined {
  try {
    const json: unknown = JSON.parse(output)
    return typeof json === 'object' && json !== null ? json : undefined
  } catch {
    return undefined
  }
}

function runHelper(program: string, verb: 'get' | 'store' | 'erase' | 'list', input: string): Promise<{ exitCode: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { stdio: ['pipe', 'pipe', 'ignore'], timeout: timeoutMs })
    const chunks: Buffer[] = []
    let size = 0
    child.on('error', (cause) => {
      const why = errorCode(cause) === 'ENOENT' ? 'not found in PATH' : (errorCode(cause) ?? cause.message)
      reject(new TpodError('CREDENTIAL_HELPER_FAILED', `run credential helper ${program}: ${why}`, { cause, remedy: `install ${program} or remove it from auth.json` }))
    })
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxOutputBytes) chunks.push(chunk)
      else child.kill()
    })
    // EPIPE: it exits without reading, which its status then explains.
    child.stdin.on('error', () => {})
    child.on('close', (exitCode) => resolve({ exitCode, output: Buffer.concat(chunks).toString('utf8') }))
    child.stdin.end(input)
  })
}
