/** localhost/starter: a small image made on the spot from a static busybox, so that a first container needs no registry. */
import { digestOf } from '../oci/digest.ts'
import { ociConfig, ociManifest } from '../oci/media-types.ts'
import type { ImageRecord, Store } from '../storage/types.ts'
import { writeTar, type TarMember } from '../archive/tar-write.ts'

export const starterName = 'localhost/starter:latest'

export interface StarterOptions {
  /** Bytes of a statically linked busybox. */
  busybox: Uint8Array
  /** Names of its applets (`busybox --list`); each becomes a link in /bin. */
  applets: readonly string[]
  /** OCI architecture name. */
  architecture: string
}

/**
 * Puts the image into the store under `localhost/starter:latest`. The same busybox gives the same image id, and an image that
 * is there already is left as it is.
 */
export async function makeStarterImage(store: Store, options: StarterOptions): Promise<ImageRecord> {
  const staged = await store.stageLayer(writeTar(starterFiles(options)))
  try {
    const layer = await store.commitLayer(staged, undefined)
    const config = Buffer.from(JSON.stringify(starterConfig(options.architecture, staged.diffId)))
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: ociManifest,
        config: { mediaType: ociConfig, digest: digestOf(config), size: config.length },
        layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: staged.blobDigest, size: staged.blobSizeBytes }],
      }),
    )
    const bigData = new Map<string, Uint8Array>([[digestOf(config), config], [`manifest-${digestOf(manifest)}`, manifest], ['manifest', manifest]])
    return await store.putImage({ id: digestOf(config).slice('sha256:'.length), digest: digestOf(manifest), names: [starterName], layer: layer.id, bigData, metadata: '{}' })
  } finally {
    await staged.discard()
  }
}

function starterConfig(architecture: string, diffId: string): object {
  return {
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['sh'], Labels: { 'org.opencontainers.image.title': 'tpod starter' } },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created_by: 'tpod starter image' }],
  }
}

function* starterFiles({ busybox, applets }: StarterOptions): Generator<TarMember> {
  const text = (name: string, content: string): TarMember => ({ kind: 'file', name, mode: 0o644, content: Buffer.from(content) })
  const directory = (name: string, mode = 0o755): TarMember => ({ kind: 'directory', name, mode })
  yield directory('bin')
  yield { kind: 'file', name: 'bin/busybox', mode: 0o755, content: busybox }
  for (const applet of applets) {
    if (applet !== 'busybox' && /^[\w.[-]+$/.test(applet)) yield { kind: 'symlink', name: `bin/${applet}`, linkName: 'busybox', mode: 0o777 }
  }
  yield directory('etc')
  yield text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n')
  yield text('etc/group', 'root:x:0:\nnogroup:x:65534:\n')
  yield directory('root', 0o700)
  yield directory('tmp', 0o1777)
  for (const name of ['home', 'usr', 'usr/bin', 'var', 'var/log']) yield directory(name)
}
