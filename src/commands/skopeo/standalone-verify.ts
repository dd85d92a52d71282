import { args } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

export default class StandaloneVerify extends TransportCommand {
  static override summary = 'Verify a signature using local files'
  static override usage = 'MANIFEST DOCKER-REFERENCE KEY-FINGERPRINT SIGNATURE'
  static override examples = ['skopeo standalone-verify busybox-manifest.json registry.example.com/example/busybox 1D8230F6CDB6A06716E414C1DB72F2188BB46CC8 busybox.signature']
  static override args = { words: args('words', 'manifest, docker reference, key, signature') }
  static override flags = {}

  async run(): Promise<void> {
    const { args: { words } } = await this.parse(StandaloneVerify)
    const [manifestPath, dockerReference, fingerprint, signaturePath] = this.exactly(words, 4, 'Usage: skopeo standalone-verify manifest docker-reference key-fingerprint signature') as [string, string, string, string]
    const { verifyManifestFile } = await import('../../libpod/images/standalone.ts')
    printLine(`Signature verified, digest ${await verifyManifestFile({ manifestPath, dockerReference, fingerprint, signaturePath, env: this.context.env, signal: this.signal })}`)
  }
}
