/** Platform names as OCI writes them, and which instance of an index suits a platform. */
import { TpodError } from '../errors/tpod-error.ts'
import type { Descriptor, Platform } from './image-types.ts'

const architectureAliases: Readonly<Record<string, string>> = {
  x86_64: 'amd64', 'x86-64': 'amd64', x64: 'amd64', aarch64: 'arm64', i386: '386', i686: '386', x86: '386', ia32: '386',
  armhf: 'arm', armel: 'arm', ppc64el: 'ppc64le',
}
/** Most capable first: a machine runs its own variant and those after it. */
const armVariants: Readonly<Record<string, readonly string[]>> = { arm: ['v8', 'v7', 'v6', 'v5'], arm64: ['v8'] }

/** `os[/arch[/variant]]`, or an architecture alone. Throws BAD_PLATFORM. */
export function parsePlatform(text: string, host: Platform): Platform {
  const parts = text.split('/')
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.-]+$/.test(part))) {
    throw new TpodError('BAD_PLATFORM', `invalid platform ${JSON.stringify(text)}`, { remedy: 'write OS/ARCH[/VARIANT], for example linux/arm64' })
  }
  const [os, architecture, variant] = parts as [string, string | undefined, string | undefined]
  if (architecture === undefined) return os === 'linux' ? host : normalizePlatform({ os: host.os, architecture: os })
  return normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) })
}

/** Other spellings of architectures (`x86_64`, `aarch64`, `armhf`) become OCI's. */
export function normalizePlatform(platform: Platform): Platform {
  const lower = platform.architecture.toLowerCase()
  const architecture = architectureAliases[lower] ?? lower
  const normalized: Platform = { ...platform, os: platform.os.toLowerCase(), architecture }
  if (platform.variant === undefined && lower === 'armhf') normalized.variant = 'v7'
  if (platform.variant === undefined && lower === 'armel') normalized.variant = 'v6'
  return normalized
}

/** The platform of this machine, from `process.arch` (variants other than arm's are not told apart). */
export function hostPlatform(processArchitecture: string): Platform {
  const platform = normalizePlatform({ os: 'linux', architecture: processArchitecture })
  return platform.architecture === 'arm' ? { ...platform, variant: 'v7' } : platform
}

/** Platforms acceptable for `wanted`, best first. */
function acceptablePlatforms(wanted: Platform): Platform[] {
  const known = armVariants[wanted.architecture] ?? []
  const variant = wanted.variant ?? ''
  let variants: string[]
  if (variant === '') variants = ['', ...known]
  else if (known.includes(variant)) variants = [...known.slice(known.indexOf(variant)), '']
  else variants = [variant, '']
  return variants.map((name) => ({ os: wanted.os, architecture: wanted.architecture, ...(name === '' ? {} : { variant: name }) }))
}

/** The instance of an index for `wanted`; undefined if none fits. Attestations (`unknown/unknown`) never fit. */
export function chooseInstance(instances: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  for (const acceptable of acceptablePlatforms(wanted)) {
    const found = instances.find(({ platform }) => platform !== undefined && isSamePlatform(platform, acceptable))
    if (found !== undefined) return found
  }
  return undefined
}

/** True if an image of this config's os, architecture and variant is acceptable for `wanted`. */
export function suitsPlatform(image: { os: string; architecture: string; variant?: string }, wanted: Platform): boolean {
  return acceptablePlatforms(wanted).some((acceptable) => isSamePlatform(image, acceptable))
}

export function formatPlatform(platform: { os: string; architecture: string; variant?: string }): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part !== undefined && part !== '').join('/')
}

function isSamePlatform(a: { os: string; architecture: string; variant?: string }, b: Platform): boolean {
  return a.os === b.os && a.architecture === b.architecture && (a.variant ?? '') === (b.variant ?? '')
}
