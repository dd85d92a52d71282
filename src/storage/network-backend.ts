/**
 * podman and buildah decide between netavark and CNI when they first see a store, for good: by ROOT/defaultNetworkBackend, and
 * where that is missing, CNI if the store has an image already. A store that we fill first must not look like one from CNI's time.
 */
import { existsSync, readdirSync } from 'node:fs'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'

const helperDirectories = ['/usr/local/libexec/podman', '/usr/local/lib/podman', '/usr/libexec/podman', '/usr/lib/podman']
const cniDirectory = '/etc/cni/net.d'

/** Notes netavark in a new graph root, where podman would choose it: it is installed, and there are no CNI networks but podman's own. */
export function noteNetworkBackend(root: string): void {
  const file = `${root}/defaultNetworkBackend`
  if (existsSync(file) || !helperDirectories.some((directory) => existsSync(`${directory}/netavark`)) || hasCniNetworks()) return
  writeFileAtomicSync(file, 'netavark', { mode: 0o644 })
}

function hasCniNetworks(): boolean {
  try {
    return readdirSync(cniDirectory).some((name) => /\.(?:conf|conflist|json)$/.test(name) && !name.includes('podman'))
  } catch {
    return false
  }
}
