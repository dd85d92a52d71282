/** What the flags of pull, create and run say about the image wanted. */
import { TpodError } from '../errors/tpod-error.ts'
import type { PullOptions } from '../image/types.ts'
import type { Platform } from '../oci/image-types.ts'
import { hostPlatform, normalizePlatform, parsePlatform } from '../oci/platform.ts'

export interface PlatformFlags {
  arch?: string | undefined
  os?: string | undefined
  platform?: string | undefined
  variant?: string | undefined
}

/** The platform that --platform or --arch, --os and --variant ask for; undefined: the machine's. */
export function wantedPlatform(flags: PlatformFlags): Platform | undefined {
  const host = hostPlatform(process.arch)
  if (flags.platform !== undefined) {
    if ((flags.arch ?? flags.os ?? flags.variant) !== undefined) {
      throw new TpodError('USAGE', '--platform option can not be specified with --arch, --os or --variant')
    }
    return parsePlatform(flags.platform, host)
  }
  if ((flags.arch ?? flags.os ?? flags.variant) === undefined) return undefined
  return normalizePlatform({
    os: flags.os ?? host.os, architecture: flags.arch ?? host.architecture,
    ...(flags.variant === undefined ? {} : { variant: flags.variant }),
  })
}

/** --pull's words, and those of older versions. */
export function pullPolicy(word: string): NonNullable<PullOptions['policy']> {
  if (word === 'true') return 'always'
  if (word === 'false') return 'missing'
  return word === 'ifnewer' ? 'newer' : (word as NonNullable<PullOptions['policy']>)
}
