/** A root file system archive as an image of the store: what `podman import` does. */
import { TpodError } from '../../errors/tpod-error.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { ContainerConfig, Platform } from '../../oci/image-types.ts'
import { copyImage } from '../copy/copy-image.ts'
import type { OnPullProgress } from '../progress.ts'
import { normalizeNewName } from '../local/tag.ts'
import { storageImageDestination } from '../transports/storage-destination.ts'
import { openTarballSource } from '../transports/tarball-source.ts'
import type { ImageContext } from '../types.ts'

export interface ImportOptions {
  /** Name of the image; absent: it has none. */
  name?: string
  config?: ContainerConfig
  /** Comment of its history. */
  message?: string
  platform?: Partial<Platform>
  signal?: AbortSignal
  onProgress?: OnPullProgress
  /** The archive is being fetched from there. */
  onDownload?: (url: string) => void
}

/**
 * `source`: a tar archive, compressed or not, by path, http(s) URL or `-` (standard input). It becomes the one layer.
 * Returns the image's id. Throws NO_SUCH_IMAGE_PATH, ARCHIVE_*, DOWNLOAD_FAILED, BAD_REFERENCE, POLICY_*, NO_SPACE.
 */
export async function importImage(context: ImageContext, source: string, options: ImportOptions = {}): Promise<string> {
  const reference = options.name === undefined ? undefined : parseReference(normalizeNewName(options.name))
  const { path, close } = await localPath(context, source, options)
  try {
    return await importPath(context, path, reference, options)
  } finally {
    close()
  }
}

async function importPath(context: ImageContext, path: string, reference: ReturnType<typeof parseReference> | undefined, options: ImportOptions): Promise<string> {
  const { signal, onProgress } = options
  const tarball = await openTarballSource(context, path, signal === undefined ? {} : { signal }, {
    ...(options.config === undefined ? {} : { config: options.config }),
    ...(options.platform === undefined ? {} : { platform: options.platform }),
    ...(options.message === undefined ? {} : { comment: options.message }),
  })
  const named = reference === undefined ? {} : { reference: { ...reference, name: formatReference({ domain: reference.domain, path: reference.path }) } }
  const destination = storageImageDestination(context.store, named)
  try {
    await copyImage(context, tarball, destination, {
      policy: await context.policy(),
      ...(signal === undefined ? {} : { signal }),
      ...(onProgress === undefined ? {} : { onProgress }),
    })
    return destination.result().image.id
  } finally {
    await Promise.all([destination.close(), tarball.close()])
  }
}

async function localPath(context: ImageContext, source: string, options: ImportOptions): Promise<{ path: string; close: () => void }> {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(source)) {
    if (source.includes(':')) throw new TpodError('BAD_IMAGE_NAME', `invalid filename (should not contain ':') ${JSON.stringify(source)}`)
    return { path: source, close: () => undefined }
  }
  if (!/^https?:/i.test(source)) throw new TpodError('BAD_IMAGE_NAME', `import ${source}: only http:// and https:// are supported`)
  options.onDownload?.(source)
  const { downloadToFile } = await import('./download.ts')
  const { fd, close } = await downloadToFile(context, source, options.signal === undefined ? {} : { signal: options.signal })
  return { path: `/proc/self/fd/${fd}`, close }
}
