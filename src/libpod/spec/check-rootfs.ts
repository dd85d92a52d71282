/** Refuses root file systems that are made to lead a runtime's mounts astray. */
import { lstatSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'

/**
 * /dev, /proc and /sys are mounted over by the runtime, which then makes devices and symlinks below them. As symlinks of the
 * image these would point the runtime elsewhere (runc's and crun's /dev races); no honest image has them.
 * `rootfs` is a host path without symlinks of the image; its direct entries are not followed. Throws BAD_IMAGE.
 */
export function checkMountpoints(rootfs: string): void {
  for (const name of ['dev', 'proc', 'sys']) {
    const stats = lstatSync(`${rootfs}/${name}`, { throwIfNoEntry: false })
    if (stats === undefined || stats.isDirectory()) continue
    throw new TpodError('BAD_IMAGE', `start from this image: its /${name} is ${stats.isSymbolicLink() ? 'a symlink' : 'no directory'}, which runtimes would follow out of the container`, {
      remedy: 'the image is broken or hostile: do not run it', exitCode: 126,
    })
  }
}
