/** Images for tests beyond busybox: several layers with the things that break naive tools. */
import { randomFillSync } from 'node:crypto'
import { chmodSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expectOk, type TestHost } from './host.ts'

/** Builds localhost/layers:latest: busybox, then files with odd owners, links and capabilities, then deletions and an opaque directory. */
export function buildLayeredImage(host: TestHost, name = 'localhost/layers:latest'): void {
  const base = 'localhost/layers-base:latest'
  host.importBusybox(base)
  const context = join(host.directory, `context-${name.replace(/\W/g, '-')}`)
  mkdirSync(join(context, 'tree/sub'), { recursive: true })
  writeFileSync(join(context, 'tree/a'), 'a\n')
  writeFileSync(join(context, 'tree/big'), Buffer.alloc(3_000_000, 'tpod'))
  writeFileSync(join(context, `tree/${'n'.repeat(180)}`), 'long name\n')
  writeFileSync(join(context, 'tree/sub/ünï'), 'unicode\n')
  linkSync(join(context, 'tree/a'), join(context, 'tree/hard'))
  symlinkSync('/etc/passwd', join(context, 'tree/link'))
  writeFileSync(join(context, 'tree/setuid'), '#!/bin/sh\n')
  chmodSync(join(context, 'tree/setuid'), 0o4755)
  writeFileSync(
    join(context, 'Containerfile'),
    `FROM ${base}\nCOPY tree /opt/tree\nRUN chown 12345:54321 /opt/tree/a && mkdir -p /opt/gone/deep && touch /opt/gone/deep/x\nRUN rm -rf /opt/gone && mkdir /opt/gone && touch /opt/gone/new && rm /opt/tree/big\nENV FOO=bar\nWORKDIR /opt/tree\nLABEL made=here\nCMD ["sh"]\n`,
  )
  host.podmanOk(['build', '-q', '--layers', '--network', 'none', '-t', name, context], { timeoutMs: 300_000 })
}

/** Pushes with skopeo from the host's store; gives the pushed manifest's layer digests in order. */
export function pushToRegistry(host: TestHost, name: string, registry: string, repository: string): string[] {
  const source = `containers-storage:[overlay@${host.graphRoot}+${host.runRoot}]${name}`
  expectOk(['skopeo copy'], host.run('skopeo', ['--policy', join(host.directory, 'policy.json'), 'copy', '--dest-tls-verify=false', source, `docker://${registry}/${repository}`]))
  return registryLayers(host, `${registry}/${repository}`)
}

export function registryLayers(host: TestHost, reference: string): string[] {
  const raw = expectOk(['skopeo inspect'], host.run('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${reference}`]))
  const manifest = JSON.parse(raw) as { layers: { digest: string }[] }
  return manifest.layers.map((layer) => layer.digest)
}

/** An image of busybox and `count` layers of incompressible bytes on it, which differ with each call. */
export function buildRandomImage(host: TestHost, name: string, count: number, layerBytes: number): void {
  host.importBusybox('localhost/random-base:latest')
  const context = join(host.directory, `context-${name.replace(/\W/g, '-')}`)
  mkdirSync(context, { recursive: true })
  const numbers = Array.from({ length: count }, (_, index) => index)
  for (const number of numbers) writeFileSync(join(context, `data-${number}`), randomFillSync(Buffer.allocUnsafe(layerBytes)))
  writeFileSync(join(context, 'Containerfile'), `FROM localhost/random-base:latest\n${numbers.map((number) => `COPY data-${number} /data-${number}\n`).join('')}`)
  host.podmanOk(['build', '-q', '--layers', '--network', 'none', '-t', name, context], { timeoutMs: 300_000 })
}
