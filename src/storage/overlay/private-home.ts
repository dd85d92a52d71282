import { closeSync, constants, openSync, readFileSync } from 'node:fs'
import { native } from '../../host/native/native.ts'

const MS_BIND = 4096
const MS_PRIVATE = 1 << 18

/**
 * Makes ROOT/overlay a private mount of its own, as podman does, so that container mounts do not spread into other
 * mount namespaces (where they would keep layers busy). Caller holds storage.lock for writing. Idempotent.
 * It is never undone here: that would take other tools' mounts along.
 */
export function makeHomePrivate(root: string): void {
  const home = `${root}/overlay`
  if (mountIdOf(root) !== mountIdOf(home)) return
  native.mount(home, home, 'none', MS_BIND, null)
  native.mount('none', home, null, MS_PRIVATE, null)
}

/** The kernel's number of the mount that path lies on: constant cost, where the mount table may have thousands of lines. */
function mountIdOf(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    return /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? ''
  } finally {
    closeSync(fd)
  }
}
