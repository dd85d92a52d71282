import { withFileLock } from '../host/lock/lock-file.ts'
import type { Store } from './types.ts'

/**
 * Runs `fn` under containers/storage's lock for that image id (GetDigestLock, RUN/overlay-locks/sha256:ID), which libimage
 * and buildah take while they change a manifest list. A leaf above the store's own locks: hold none of those.
 */
export async function withImageDigestLock<T>(store: Pick<Store, 'runRoot'>, imageId: string, fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!/^[0-9a-f]{64}$/.test(imageId)) throw new Error(`not an image id: ${JSON.stringify(imageId)}`)
  return withFileLock(`${store.runRoot}/overlay-locks/sha256:${imageId}`, 'write', fn, signal === undefined ? {} : { signal })
}
