/** `transport:details`, as skopeo and podman write where an image lies (containers-transports(5)). */
import { TpodError } from '../../errors/tpod-error.ts'
import type { TransportName } from '../types.ts'

export interface ImageName {
  transport: TransportName
  /** What follows the first colon, as typed. */
  details: string
}

const transports: readonly TransportName[] = ['containers-storage', 'dir', 'docker', 'docker-archive', 'docker-daemon', 'oci', 'oci-archive', 'tarball']
/** Transports of containers/image that need a program or format we don't have. */
const unsupported = ['atomic', 'ostree', 'sif']

/** The transport of `text` if it begins with a known one; undefined for a plain reference such as `fedora:latest`. */
export function transportOf(text: string): TransportName | undefined {
  const colon = text.indexOf(':')
  return transports.find((name) => colon > 0 && name === text.slice(0, colon))
}

/** Throws BAD_IMAGE_NAME in containers/image's words where scripts know them. */
export function parseImageName(text: string): ImageName {
  const colon = text.indexOf(':')
  if (colon < 0) throw new TpodError('BAD_IMAGE_NAME', `Invalid image name "${text}", expected colon-separated transport:reference`, { remedy: `for a registry write docker://${text}` })
  const transport = transportOf(text)
  const name = text.slice(0, colon)
  if (transport !== undefined) return { transport, details: text.slice(colon + 1) }
  if (unsupported.includes(name)) throw new TpodError('BAD_IMAGE_NAME', `image name "${text}": the transport ${name}: is not supported`, { remedy: `there are ${transports.join(', ')}` })
  throw new TpodError('BAD_IMAGE_NAME', `Invalid image name "${text}", unknown transport "${name}"`, { remedy: `there are ${transports.join(', ')}` })
}
