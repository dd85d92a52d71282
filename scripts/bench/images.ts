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

export interface FileKind {
  /** Sizes taken, bytes: more than `from`, up to `to`. */
  from: number
  to: number
  /** As many at most, and as many bytes. */
  files: number
  bytes: number
  /** Subdirectory; default none. */
  name?: string
}

/** Copies system files of the kinds wanted into `directory`; where /usr is too small, numbered copies fill up the first kind's count. */
export function fillDirectory(directory: string, kinds: readonly FileKind[]): { bytes: number; files: number } {
  const have = kinds.map(() => ({ files: 0, bytes: 0 }))
  for (let round = 0; round < 8; round++) {
    for (const { path, size } of systemFiles('/usr')) {
      const index = kinds.findIndex(({ from, to }) => size > from && size <= to)
      const kind = kinds[index]
      const got = have[index]
      if (kind === undefined || got === undefined || got.files >= kind.files || size > kind.bytes - got.bytes) continue
      const target = join(directory, kind.name ?? '', String(round), path)
      mkdirSync(dirname(target), { recursive: true })
      copyFileSync(path, target)
      got.files++
      got.bytes += size
    }
    if (have[0]!.files >= kinds[0]!.files || have[0]!.bytes >= kinds[0]!.bytes * 0.98) break
  }
  return { bytes: have.reduce((sum, { bytes }) => sum + bytes, 0), files: have.reduce((sum, { files }) => sum + files, 0) }
}

/** Builds `reference` of three layers, about 700 MB in 44,000 files (a busybox base, large files, many small ones), and pushes it to the registry. */
export function makeLargeImage(host: TestHost, registry: string, reference: string): { bytes: number; files: number } {
  const context = join(host.directory, 'large')
  const filled = fillDirectory(context, [
    { name: 'small', from: -1, to: 200_000, files: 43_000, bytes: 330 * megabyte },
    { name: 'large', from: 200_000, to: 30 * megabyte, files: 1000, bytes: 370 * megabyte },
  ])
  writeFileSync(join(context, 'Containerfile'), 'FROM localhost/bench:latest\nCOPY large /opt/large\nCOPY small /opt/small\n')
  host.podmanOk(['build', '-q', '--layers', '-t', reference, context], { timeoutMs: 900_000 })
  host.podmanOk(['push', '-q', '--tls-verify=false', reference, `docker://${registry}/large:latest`], { timeoutMs: 900_000 })
  host.podmanOk(['rmi', '-f', reference])
  rmSync(context, { recursive: true })
  return filled
}
