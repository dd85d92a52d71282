import { args, text } from '../../cli/options.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class StandaloneSign extends TransportCommand {
  static override summary = 'Create a signature using local files'
  static override usage = '[options] MANIFEST DOCKER-REFERENCE KEY-FINGERPRINT --output|-o SIGNATURE'
  static override examples = ['skopeo standalone-sign busybox-manifest.json registry.example.com/example/busybox 1D8230F6CDB6A06716E414C1DB72F2188BB46CC8 --output busybox.signature']
  static override args = { words: args('words', 'manifest, docker reference, key') }
  static override flags = {
    output: text('output the signature to SIGNATURE', { char: 'o', value: 'SIGNATURE', complete: 'files' }),
    'passphrase-file': text('file that contains a passphrase for the --sign-by key', { complete: 'files' }),
  }

  async run(): Promise<void> {
    const { args: { words }, flags } = await this.parse(StandaloneSign)
    const usage = 'Usage: skopeo standalone-sign manifest docker-reference key-fingerprint -o signature'
    const [manifestPath, dockerReference, key] = this.exactly(words, 3, usage) as [string, string, string]
    if (!flags.output) throw new TpodError('USAGE', usage)
    const { signManifestFile } = await import('../../libpod/images/standalone.ts')
    await signManifestFile({
      manifestPath, dockerReference, key, outputPath: flags.output, env: this.context.env, signal: this.signal,
      ...(flags['passphrase-file'] === undefined ? {} : { passphraseFile: flags['passphrase-file'] }),
    })
  }
}
