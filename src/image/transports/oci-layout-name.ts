/** PATH[:REFERENCE] of oci: and oci-archive:, by containers-transports(5). */
import { TpodError } from '../../errors/tpod-error.ts'

export interface LayoutName {
  path: string
  /** `org.opencontainers.image.ref.name` of the entry in index.json; undefined: the only one. */
  reference?: string
  /** `@N`: the entry with that number, from 0. */
  index?: number
}

const alphanumeric = '[A-Za-z0-9]+'
const component = `${alphanumeric}(?:(?:[-._:@+]|--)${alphanumeric})*`
const referencePattern = new RegExp(`^${component}(?:/${component})*$`)

/** Throws BAD_IMAGE_NAME, in containers/image's words. A path can't have a colon. */
export function parseLayoutName(transport: 'oci' | 'oci-archive', details: string): LayoutName {
  const colon = details.indexOf(':')
  const path = colon < 0 ? details : details.slice(0, colon)
  const reference = colon < 0 ? '' : details.slice(colon + 1)
  if (path === '') throw new TpodError('BAD_IMAGE_NAME', `Invalid image name "${transport}:${details}": the path is empty`)
  if (reference === '') return { path }
  if (reference.startsWith('@')) return { path, index: parseIndex(transport, reference) }
  if (!referencePattern.test(reference)) throw new TpodError('BAD_IMAGE_NAME', `Invalid image name "${transport}:${details}": Invalid image ${reference}`)
  return { path, reference }
}

function parseIndex(transport: string, reference: string): number {
  const digits = reference.slice(1)
  if (/^\d{1,9}$/.test(digits)) return Number(digits)
  const why = /^-\d+$/.test(digits) ? 'must not be negative' : 'not an integer'
  throw new TpodError('BAD_IMAGE_NAME', `Invalid ${transport}: source index ${reference}: ${why}`)
}

export function formatLayoutName({ path, reference, index }: LayoutName): string {
  return `${path}:${index === undefined ? (reference ?? '') : `@${index}`}`
}
