import { askPassword } from '../../cli/ask.ts'
import { args, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class GenerateSigstoreKey extends TransportCommand {
  static override summary = 'Generate a sigstore public/private key pair'
  static override usage = '[options] --output-prefix PREFIX'
  static override examples = ['skopeo generate-sigstore-key --output-prefix my-key']
  static override args = { words: args('words', 'none') }
  static override flags = {
    'output-prefix': text('Write the keys to PREFIX.pub and PREFIX.private', { value: 'PREFIX', complete: 'files' }),
    'passphrase-file': text('Read a passphrase for the private key from PATH', { value: 'PATH', complete: 'files' }),
  }

  async run(): Promise<void> {
    const { args: { words }, flags } = await this.parse(GenerateSigstoreKey)
    const [prefix, passphraseFile] = [flags['output-prefix'], flags['passphrase-file']]
    if (words.length > 0 || !prefix) throw new TpodError('USAGE', 'Usage: generate-sigstore-key --output-prefix PREFIX')
    const { generateKeyFiles } = await import('../../libpod/images/standalone.ts')
    const { privatePath, publicPath } = await generateKeyFiles(prefix, async (path) => {
      if (passphraseFile === undefined) return askPassword(`Passphrase for key ${path}: `, this.signal)
      return (await import('../../image/trust/open-signers.ts')).readPassphraseFile(passphraseFile)
    })
    printLine(`Key written to ${JSON.stringify(privatePath)} and ${JSON.stringify(publicPath)}`)
  }
}
