/** An upload as the registry keeps it (distribution specification, "Pushing blobs"): an address and so many bytes. */
import { TpodError } from '../../errors/tpod-error.ts'
import type { RegistryClient } from './client.ts'
import { headerOf } from './http.ts'
import type { HttpResponse } from './http.ts'

/** An upload that the registry has begun. */
export interface UploadSession {
  location: URL
  /** Bytes that it has. */
  offset: number
  /** From an earlier run: its first bytes are not certain to be ours. */
  isResumed?: boolean
}

/** POST. Throws REPOSITORY_UNKNOWN, REGISTRY_*. */
export async function startUpload(client: RegistryClient, what: string, signal: AbortSignal | undefined): Promise<UploadSession> {
  const response = await client.send({ method: 'POST', path: 'blobs/uploads/', what, expect: [202], missing: 'REPOSITORY_UNKNOWN', ...(signal === undefined ? {} : { signal }) })
  response.discard()
  return sessionOf(client, response, what)
}

/** From the answer to a POST. */
export function sessionOf(client: RegistryClient, response: HttpResponse, what: string): UploadSession {
  const location = client.addressIn(response, 'location', what)
  if (location === undefined) throw new TpodError('REGISTRY_ERROR', `${what}: ${response.url.host} begins an upload without saying where`)
  return { location, offset: 0 }
}

/** `Range: 0-N`; 0-0 is how docker's registry writes "nothing". */
export function endOfRange(response: HttpResponse): number | undefined {
  const match = /^(?:bytes[= ])?0-(\d{1,15})$/.exec(headerOf(response, 'range'))
  if (match === null) return undefined
  const last = Number(match[1])
  return last === 0 ? 0 : last + 1
}
