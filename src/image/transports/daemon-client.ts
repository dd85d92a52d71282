/** The two calls of docker's engine API that move images, over its unix socket or TCP. */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import type { EndpointOptions } from '../types.ts'

const defaultHost = 'unix:///var/run/docker.sock'
const maxAnswerBytes = 1024 * 1024

export interface DaemonClient {
  /** Throws DAEMON_UNREACHABLE. */
  ping(): Promise<void>
  /** The archive of one image (GET /images/NAME/get). Throws DAEMON_UNREACHABLE, DAEMON_ERROR with the engine's words. */
  saveImage(name: string): AsyncIterable<Uint8Array>
  /** Begins POST /images/load. */
  loadImages(): ImageUpload
}

export interface ImageUpload {
  write(piece: Uint8Array): Promise<void>
  /** Waits for the engine's answer. Throws DAEMON_ERROR. */
  finish(): Promise<void>
  abort(): void
}

type Send = (method: string, path: string, headers?: Record<string, string>) => ClientRequest

/** `daemonHost`: unix:///path, tcp://host:port, http(s)://host:port; default docker's socket. */
export function openDaemonClient({ daemonHost = defaultHost, certDirectory, tlsVerify, signal }: EndpointOptions): DaemonClient {
  const sender = requestsTo(daemonHost, certDirectory, tlsVerify, signal)
  const request = async (method: string, path: string): Promise<IncomingMessage> => {
    const message = (await sender)(method, path)
    message.end()
    return answerOf(message, daemonHost)
  }
  return {
    ping: async () => void (await readText(await request('GET', '/_ping'))),
    saveImage: async function* (name) {
      const answer = await request('GET', `/images/${encodeURI(name)}/get`)
      if (answer.statusCode !== 200) throw await engineError(answer, `read docker-daemon:${name}`)
      yield* answer as AsyncIterable<Buffer>
    },
    loadImages: () => startUpload(sender, daemonHost),
  }
}

async function requestsTo(host: string, certDirectory: string | undefined, tlsVerify: boolean | undefined, signal: AbortSignal | undefined): Promise<Send> {
  const { place, isSecure } = parseHost(host, certDirectory)
  const { request } = isSecure ? await import('node:https') : await import('node:http')
  const tls = isSecure ? await clientCertificates(certDirectory, tlsVerify) : {}
  return (method, path, headers = {}) => request({ ...place, ...tls, method, path, headers: { host: 'docker', ...headers }, ...(signal === undefined ? {} : { signal }) })
}

function parseHost(host: string, certDirectory: string | undefined): { place: RequestOptions; isSecure: boolean } {
  const [, scheme, rest] = /^([a-z]+):\/\/(.+)$/.exec(host) ?? []
  if (scheme === undefined || rest === undefined) throw new TpodError('BAD_IMAGE_NAME', `docker daemon host ${JSON.stringify(host)}: unable to parse docker host`, { remedy: 'write unix:///PATH or tcp://HOST:PORT' })
  if (scheme === 'unix') return { place: { socketPath: rest }, isSecure: false }
  if (!['tcp', 'http', 'https'].includes(scheme)) throw new TpodError('BAD_IMAGE_NAME', `docker daemon host ${JSON.stringify(host)}: protocol ${scheme} is not supported`, { remedy: 'write unix:///PATH or tcp://HOST:PORT' })
  const { hostname, port } = new URL(`http://${rest}`)
  // As docker's clients: tcp with certificates is TLS.
  const isSecure = scheme === 'https' || (scheme === 'tcp' && certDirectory !== undefined)
  return { place: { hostname: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? (isSecure ? 2376 : 2375) : Number(port) }, isSecure }
}

/** ca.pem, cert.pem and key.pem, as docker's own clients find them. */
async function clientCertificates(directory: string | undefined, tlsVerify: boolean | undefined): Promise<object> {
  const { readFileIfExists } = await import('../../host/fs/read-optional.ts')
  const read = (name: string): Buffer | undefined => (directory === undefined ? undefined : readFileIfExists(`${directory}/${name}`))
  return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem'), rejectUnauthorized: tlsVerify !== false }
}

function answerOf(message: ClientRequest, host: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    message.on('response', resolve)
    message.on('error', (error) => reject(explainFailure(error, host)))
  })
}

function explainFailure(error: unknown, host: string): unknown {
  if (error instanceof Error && error.name === 'AbortError') return error
  const code = errorCode(error) ?? ''
  const why = code === 'EACCES' ? `permission denied while trying to connect to the Docker daemon socket at ${host}` : `Cannot connect to the Docker daemon at ${host}. Is the docker daemon running?`
  return new TpodError('DAEMON_UNREACHABLE', why, { cause: error, remedy: 'start dockerd, or name its socket with --src-daemon-host or --dest-daemon-host' })
}

async function readText(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (text.length < maxAnswerBytes) text += chunk.toString('utf8')
  }
  return text
}

async function engineError(answer: IncomingMessage, what: string): Promise<TpodError> {
  const text = await readText(answer)
  let message = text.trim().slice(0, 500)
  try {
    const json = JSON.parse(text) as { message?: unknown }
    if (typeof json.message === 'string') message = json.message
  } catch {
    // Not JSON: shown as it is.
  }
  return new TpodError('DAEMON_ERROR', `${what}: Error response from daemon: ${message || `status ${answer.statusCode}`}`)
}

function startUpload(sender: Promise<Send>, host: string): ImageUpload {
  let failure: unknown
  const started = sender.then((send) => {
    const message = send('POST', '/images/load?quiet=1', { 'content-type': 'application/x-tar', 'transfer-encoding': 'chunked' })
    const answered = answerOf(message, host)
    answered.catch((error: unknown) => (failure = error))
    return { message, answered }
  })
  started.catch((error: unknown) => (failure = error))
  return {
    write: async (piece) => {
      const { message } = await started
      if (failure !== undefined) throw failure
      await new Promise<void>((resolve, reject) => {
        message.write(Buffer.from(piece), (error) => (error === null || error === undefined ? resolve() : reject(failure ?? explainFailure(error, host))))
      })
    },
    finish: async () => {
      const { message, answered } = await started
      message.end()
      await checkAnswer(await answered)
    },
    abort: () => void started.then(({ message }) => message.destroy()).catch(() => undefined),
  }
}

/** The answer is a stream of JSON objects; a failure is one of them. */
async function checkAnswer(answer: IncomingMessage): Promise<void> {
  if (answer.statusCode !== 200) throw await engineError(answer, 'load the image into the docker daemon')
  for (const line of (await readText(answer)).split('\n')) {
    if (!line.includes('"error')) continue
    throw new TpodError('DAEMON_ERROR', `load the image into the docker daemon: docker engine reported: ${engineWords(line)}`)
  }
}

function engineWords(line: string): string {
  try {
    const { error, errorDetail } = JSON.parse(line) as { error?: string; errorDetail?: { message?: string } }
    return String(errorDetail?.message ?? error ?? line)
  } catch (error) {
    return `${line.slice(0, 300)} (${errorMessage(error)})`
  }
}
