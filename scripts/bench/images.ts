/** Images for the benchmark, made from files this machine has: no network, and bytes that compress like real software. */
import { mkdirSync, readdirSync, copyFileSync, lstatSync, writeFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestHost } from '../../test/support/host.ts'

const megabyte = 1e6

/** Regular files under /usr, in a fixed order, without following links. */
function* systemFiles(directory: string): Generator<{ path: string; size: number }> {
  for (const entry of readdirSync(directory, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* systemFiles(path)
    else if (entry.isFile()) yield { path, size: lstatSync(path).size }
  }
}

/**
 * Builds `reference` of three layers, about 700 MB in 44,000 files (a busybox base, large files, many small ones),
 * and pushes it to the registry. Where /usr is too small, numbered copies fill up the count.
 */
export function makeLargeImage(host: TestHost, registry: string, reference: string): { bytes: number; files: number } {
  const context = join(host.directory, 'large')
  mkdirSync(context)
  const wanted = { small: { files: 43_000, bytes: 330 * megabyte }, large: { files: 1000, bytes: 370 * megabyte } }
  const have = { small: { files: 0, bytes: 0 }, large: { files: 0, bytes: 0 } }
  for (let round = 0; round < 8; round++) {
    for (const { path, size } of systemFiles('/usr')) {
      const kind = size > 200_000 ? 'large' : 'small'
      const room = wanted[kind].bytes - have[kind].bytes
      if (have[kind].files >= wanted[kind].files || size > room || size > 30 * megabyte) continue
      const target = join(context, kind, String(round), path)
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(path, target)
      have[kind].files++
      have[kind].bytes += size
    }
    if (have.small.files >= wanted.small.files) break
  }
  writeFileSync(join(context, 'Containerfile'), 'FROM localhost/bench:latest\nCOPY large /opt/large\nCOPY small /opt/small\n')
  host.podmanOk(['build', '-q', '--layers', '-t', reference, context], { timeoutMs: 900_000 })
  host.podmanOk(['push', '-q', '--tls-verify=false', reference, `docker://${registry}/large:latest`], { timeoutMs: 900_000 })
  host.podmanOk(['rmi', '-f', reference])
  rmSync(context, { recursive: true })
  return { bytes: have.small.bytes + have.large.bytes, files: have.small.files + have.large.files }
}
