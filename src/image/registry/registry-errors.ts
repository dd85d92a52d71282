/** What goes wrong between us and a registry, in one line each, with what the user can do. */
import { errorCode, errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { readBody } from './http.ts'
import type { HttpResponse } from './http.ts'
import { TemporaryStatus } from './retry.ts'

const maxErrorBytes = 64 * 1024

/** For a failure below HTTP. `what` = action and object, e.g. "pull HOST/NAME:TAG". */
export function connectionError(what: string, host: string, cause: unknown): Error {
  if (cause instanceof TpodError && cause.code.startsWith('PROXY_')) return new TpodError(cause.code, `${what}: ${cause.message}`, { cause, ...(cause.remedy === undefined ? {} : { remedy: cause.remedy }) })
  if (cause instanceof TpodError) return cause.code === 'BROKEN_TRANSFER' ? new TpodError('REGISTRY_UNREACHABLE', `${what}: ${cause.message}`, { cause, remedy: 'try again; the network or the registry is unreliable' }) : cause
  const code = errorCode(cause) ?? ''
  const message = errorMessage(cause)
  if (isPlainHttpAnswer(code, message)) {
    return new TpodError('REGISTRY_TLS', `${what}: ${host} answers in plain HTTP, not HTTPS: http: server gave HTTP response to HTTPS client`, { cause, remedy: `--tls-verify=false, or insecure = true for ${host} in registries.conf` })
  }
  if (isCertificateError(code)) {
    return new TpodError('REGISTRY_TLS', `${what}: certificate of ${host} not trusted: ${shorten(message)}`, {
      cause,
      remedy: `put its CA into /etc/containers/certs.d/${host}/ca.crt, or use --tls-verify=false`,
    })
  }
  if (/^(?:EPROTO|ERR_SSL|ERR_TLS)/.test(code)) return new TpodError('REGISTRY_TLS', `${what}: TLS with ${host} failed: ${shorten(message)}`, { cause })
  const remedy = 'check the registry name and the network'
  if (code === 'ECONNREFUSED') return new TpodError('REGISTRY_UNREACHABLE', `${what}: connect to ${host}: connection refused`, { cause, remedy })
  if (code === 'ENOTFOUND') return new TpodError('REGISTRY_UNREACHABLE', `${what}: connect to ${host}: no such host`, { cause, remedy })
  if (cause instanceof Error && cause.name === 'AbortError') return cause
  return new TpodError('REGISTRY_UNREACHABLE', `${what}: connect to ${host}: ${shorten(message)}`, { cause, remedy })
}

/** True when HTTPS failed in a way that plain HTTP might not: no TLS there, nobody on the port, hang-up in the handshake, a proxy that makes no tunnel to it. */
export function mayBePlainHttp(failure: unknown): boolean {
  const cause = failure instanceof TemporaryStatus ? failure.final : failure
  const code = errorCode(cause) ?? ''
  return isPlainHttpAnswer(code, errorMessage(cause)) || /^(?:ECONNREFUSED|ECONNRESET|EPROTO|EPIPE|ETIMEDOUT|ERR_SSL|ERR_TLS|BROKEN_TRANSFER|PROXY_REFUSED)/.test(code)
}

/** What a registry says is wrong. */
export interface RegistryComplaint {
  status: number
  /** Of the distribution specification, e.g. BLOB_UPLOAD_UNKNOWN; '' where it gives none. */
  code: string
  /** One printable line. */
  message: string
}

/** The error that a request ends with, with the registry's own words for who must tell one refusal from another. */
export class RegistryRefusal extends TpodError {
  readonly complaint: RegistryComplaint

  constructor(code: string, message: string, complaint: RegistryComplaint, remedy?: string) {
    super(code, message, remedy === undefined ? {} : { remedy })
    this.complaint = complaint
  }
}

/** For an answer other than success. Reads (and bounds) its body. `missing` is the code for 404. */
export async function statusError(what: string, response: HttpResponse, missing: string): Promise<RegistryRefusal> {
  const { host } = response.url
  const { status } = response
  const complaint = { status, ...(await registryMessage(response)) }
  // The words that scripts for skopeo and podman look for, whatever the registry's own are.
  if (status === 401 && /^(?:authentication required)?$/i.test(complaint.message)) complaint.message = 'unauthorized: authentication required'
  if (status === 404 && complaint.message === 'manifest unknown') complaint.message = 'manifest unknown: manifest unknown'
  const suffix = `${response.proxy === undefined ? '' : ` (through proxy ${response.proxy.shown})`}${complaint.message === '' ? '' : `: ${complaint.message}`}`
  const refuse = (code: string, why: string, remedy?: string): RegistryRefusal => new RegistryRefusal(code, `${what}: ${why}${suffix}`, complaint, remedy)
  if (status === 401) return refuse('REGISTRY_UNAUTHORIZED', `${host} wants a login (401)`, `podman login ${host}, or --creds USER:PASSWORD; check the name too`)
  if (status === 403) return refuse('REGISTRY_DENIED', `access denied by ${host} (403)`, 'check the name and the rights of the account')
  if (status === 404) return refuse(missing, missing === 'BLOB_UNKNOWN' ? `blob on ${host} is missing (404)` : missing === 'REPOSITORY_UNKNOWN' ? `no such repository on ${host} (404)` : `no such image or tag on ${host} (404)`, 'check name and tag')
  if (status === 429) return refuse('REGISTRY_RATE_LIMIT', `too many requests to ${host} (429)`, 'wait, or log in for a higher limit')
  return refuse('REGISTRY_ERROR', `${host} answered ${status}`)
}

async function registryMessage(response: HttpResponse): Promise<{ code: string; message: string }> {
  let text: string
  try {
    text = (await readBody(response, maxErrorBytes, 'error')).toString('utf8')
  } catch {
    return { code: '', message: '' }
  }
  try {
    const json = JSON.parse(text) as { errors?: { code?: unknown; message?: unknown }[] } | null
    const first = json?.errors?.[0]
    const code = typeof first?.code === 'string' ? shorten(first.code) : ''
    return { code, message: shorten(first?.message || code) }
  } catch {
    return { code: '', message: '' }
  }
}

/** One printable line: what a registry says must not drive the terminal. */
function shorten(text: unknown): string {
  // oxlint-disable-next-line no-control-regex
  return String(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim().slice(0, 200)
}

function isPlainHttpAnswer(code: string, message: string): boolean {
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER' || /wrong version number|packet length too long|http request/i.test(message)
}

function isCertificateError(code: string): boolean {
  return /^(?:SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_|ERR_TLS_CERT|HOSTNAME_MISMATCH|CRL_|INVALID_CA|PATH_LENGTH|ERROR_IN_CERT)/.test(code)
}
