import { args } from '../../cli/options.ts'
import { formatJson } from '../../cli/format.ts'
import { printLine } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

export default class UntrustedSignatureDump extends TransportCommand {
  static override summary = 'Dump contents of a signature WITHOUT VERIFYING IT'
  static override usage = 'SIGNATURE'
  static override examples = ['skopeo untrusted-signature-dump-without-verification busybox.signature']
  static override args = { words: args('words', 'path of a signature', { complete: 'files' }) }
  static override flags = {}

  async run(): Promise<void> {
    const { args: { words } } = await this.parse(UntrustedSignatureDump)
    const [path] = this.exactly(words, 1, 'Usage: skopeo untrusted-signature-dump-without-verification signature') as [string]
    const { dumpSignatureFile } = await import('../../libpod/images/standalone.ts')
    printLine(formatJson(await dumpSignatureFile(path, this.context.env)))
  }
}
