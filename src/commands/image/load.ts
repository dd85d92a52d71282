import { BaseCommand } from '../../cli/base-command.ts'
import { bool, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { pullProgress } from '../../cli/progress.ts'
import { isTerminal, terminalColumns } from '../../cli/terminal.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Load extends BaseCommand {
  static override summary = 'Load image(s) from a tar archive'
  static override description = 'Loads an image from a locally stored archive (tar file) into container storage.\n\nIt may be a docker-archive or an oci-archive, compressed or not, or a directory written by save; from standard input without --input.'
  static override examples = ['tpod load < image.tar', 'tpod load -i image.tar.gz', 'xz -dc image.tar.xz | tpod load']
  static override flags = {
    input: text('Read from specified archive file (default: stdin)', { char: 'i', complete: 'files' }),
    quiet: bool('Suppress the output', { char: 'q' }),
    'signature-policy': text('Pathname of signature policy file', { hidden: true, complete: 'files' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Load)
    const isStream = flags.input === undefined || flags.input === ''
    if (isStream && isTerminal(0)) throw new TpodError('USAGE', 'cannot read from terminal, use command-line redirection or the --input flag')
    const engine = await this.openEngine()
    const { loadImages } = await import('../../libpod/images/archives.ts')
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    try {
      const names = await loadImages(engine, isStream ? { fd: 0, shownAs: 'standard input' } : (flags.input as string), {
        signaturePolicy: flags['signature-policy'], signal: this.signal, onProgress: progress.onProgress,
      })
      progress.finish()
      for (const name of names) printLine(`Loaded image: ${name}`)
    } finally {
      progress.finish()
    }
  }
}
