/** docker-credential-helpers protocol: `docker-credential-NAME get`, server URL on stdin, JSON on stdout. */
import { spawn } from 'node:child_process'
import { errorCode, TpodError } from '../errors/tpod-error.ts'
import type { Credentials } from './auth-file.ts'

const timeoutMs = 60_000
const maxOutputBytes = 1024 * 1024

/**
 * Undefined when the helper knows no credentials for `server`. Throws CREDENTIAL_HELPER_FAILED when it is missing,
 * fails or talks nonsense; its output is not repeated, as it may hold the secret.
 */
export async function askCredentialHelper(name: string, server: string): Promise<Credentials | undefined> {
  // The name comes from a file that other tools write; it must not become a path.
  if (!/^[\w.-]+$/.test(name)) throw new TpodError('CREDENTIAL_HELPER_FAILED', `run credential helper ${JSON.stringify(name)}: invalid name`)
  const program = `docker-credential-${name}`
  const { exitCode, output } = await runHelper(program, server)
  if (exitCode !== 0) {
    if (/credentials not found/i.test(output)) return undefined
    throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: exit status ${exitCode}`, { remedy: `echo ${server} | ${program} get` })
  }
  let json: { Username?: unknown; Secret?: unknown }
  try {
    json = JSON.parse(output) as typeof json
  } catch {
    throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: its answer is not JSON`)
  }
  if (typeof json?.Username !== 'string' || typeof json.Secret !== 'string') throw new TpodError('CREDENTIAL_HELPER_FAILED', `run ${program} get for ${server}: no Username or Secret in its answer`)
  // The protocol's mark for an OAuth2 refresh token.
  return json.Username === '<token>' ? { username: '', password: '', identityToken: json.Secret } : { username: json.Username, password: json.Secret }
}

function runHelper(program: string, server: string): Promise<{ exitCode: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: timeoutMs })
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
    child.stdin.end(server)
  })
}
