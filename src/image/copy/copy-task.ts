/** What the steps of one copy share. */
import type { Platform } from '../../oci/image-types.ts'
import type { ImageDestination, ImageSource, RawManifest } from '../types.ts'
import type { CopyOptions } from './types.ts'

export interface CopyTask {
  platform: Platform
  /** For gpg's keyrings; default /var/tmp. */
  temporaryDirectory?: string
  source: ImageSource
  destination: ImageDestination
  options: CopyOptions
  /** The source's own manifest or index. */
  top: RawManifest
}
