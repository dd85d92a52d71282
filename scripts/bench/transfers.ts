/** Moving images: push, copy, save, load and a look at a remote image, beside podman and skopeo. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { projectRoot, type TestHost, tpodPath } from '../../test/support/host.ts'
import { fillDirectory } from './images.ts'
import { type Command, measurePair, type Row } from './measure.ts'

const ourSkopeo = join(projectRoot, 'bin/skopeo')

export interface TransferBench {
  host: TestHost
  registry: string
  wanted: (name: string) => boolean
  onRow: (row: Row) => void
}

/** Every run writes to a place of its own, and none finds what an earlier one left. Returns notes. */
export function benchTransfers({ host, registry, wanted, onRow }: TransferBench): string[] {
  if (!['push', 'copy', 'save', 'load', 'inspect (remote)'].some(wanted)) return []
  const image = 'localhost/transfer:latest'
  const bytes = makeImage(host, image)
  host.podmanOk(['push', '-q', '--tls-verify=false', image, `docker://${registry}/transfer:latest`], { timeoutMs: 900_000 })
  const places = join(host.directory, 'places')
  mkdirSync(places)
  let count = 0
  const place = (): string => join(places, String(++count))
  const podman = ['podman', ...host.storeFlags(), '--tmpdir', join(host.directory, 'podman-tmp')]
  const tpod = [tpodPath, ...host.storeFlags()]
  const pair = (name: string, runs: number, target: number, peer: 'podman' | 'skopeo', make: (tool: readonly string[]) => Command): void => {
    if (!wanted(name)) return
    const [ours, theirs] = peer === 'podman' ? [tpod, podman] : [[ourSkopeo], ['skopeo']]
    onRow(measurePair(name, make(ours), make(theirs), host.env, runs, target, peer))
  }
  const sync = (): void => void spawnSync('sync')

  // A registry that has nothing of the image: each push goes to one of its own.
  pair('push (300 MB, new)', 5, 0.6, 'podman', (tool) => ({
    argv: () => [...tool, 'push', '-q', '--tls-verify=false', image, `docker://${registry}/push-${++count}:latest`],
    before: () => { rmSync(join(host.directory, registryDirectory(registry), 'docker/registry/v2'), { recursive: true, force: true }); sync() },
  }))
  // podman remembers what it compressed layers to; the registry is filled again for what reads from it.
  host.podmanOk(['push', '-q', '--tls-verify=false', image, `docker://${registry}/transfer:latest`], { timeoutMs: 900_000 })
  pair('copy (registry to oci)', 7, 1, 'skopeo', (tool) => ({
    argv: () => [...tool, '--insecure-policy', 'copy', '-q', '--src-tls-verify=false', `docker://${registry}/transfer:latest`, `oci:${place()}:x`],
    before: sync,
    after: () => empty(places),
  }))
  for (const format of ['docker-archive', 'oci-archive']) {
    pair(`save (${format})`, 5, 0.7, 'podman', (tool) => ({ argv: () => [...tool, 'save', '-q', '--format', format, '-o', place(), image], before: sync, after: () => empty(places) }))
    const archive = join(host.directory, `${format}.tar`)
    if (wanted(`load (${format})`)) host.podmanOk(['save', '-q', '--format', format, '-o', archive, image], { timeoutMs: 900_000 })
    pair(`load (${format})`, 5, 0.7, 'podman', (tool) => {
      const isOurs = tool === tpod
      return {
        argv: () => [...(isOurs ? [tpodPath] : ['podman']), '--root', join(host.directory, `load-${++count}`), '--runroot', join(host.directory, `load-run-${count}`), 'load', '-q', '-i', archive],
        before: sync,
      }
    })
  }
  pair('inspect (remote)', 15, 1, 'skopeo', (tool) => ({ argv: [...tool, 'inspect', '--tls-verify=false', `docker://${registry}/transfer:latest`] }))
  return [`Pushed, copied, saved and loaded image: ${(bytes / 1e6).toFixed(0)} MB uncompressed in one layer over busybox`]
}

function registryDirectory(registry: string): string {
  return `registry-${registry.split(':')[1]}`
}

function empty(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
}

function makeImage(host: TestHost, reference: string): number {
  const context = join(host.directory, 'transfer')
  const { bytes } = fillDirectory(join(context, 'files'), [{ from: 0, to: 30_000_000, files: 12_000, bytes: 300e6 }])
  host.writeFile('transfer/Containerfile', 'FROM localhost/bench:latest\nCOPY files /opt/files\n')
  host.podmanOk(['build', '-q', '--layers', '-t', reference, context], { timeoutMs: 900_000 })
  rmSync(context, { recursive: true })
  return bytes
}
