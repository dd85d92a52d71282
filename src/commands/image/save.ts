import { BaseCommand } from '../../cli/base-command.ts'
import { checkFileName } from '../../cli/file-name.ts'
import { args, bool, text, textOr } from '../../cli/options.ts'
import { pullProgress } from '../../cli/progress.ts'
import { isTerminal, terminalColumns } from '../../cli/terminal.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import type { SaveFormat } from '../../image/archives/save.ts'

const formats: readonly SaveFormat[] = ['docker-archive', 'oci-archive', 'oci-dir', 'docker-dir']

export default class Save extends BaseCommand {
  static override summary = 'Save image(s) to an archive'
  static override description = 'Save an image to docker-archive or oci-archive on the local machine. Default is docker-archive.'
  static override usage = '[options] IMAGE [IMAGE...]'
  static override examples = ['tpod save --quiet -o myimage.tar imageID', 'tpod save --format docker-dir -o ubuntu-dir ubuntu', 'tpod save > alpine-all.tar alpine:latest']
  static override args = { image: args('image', 'the image, and further names for it (or, with -m, further images)', { required: true, complete: 'images' }) }
  static override flags = {
    compress: bool("Compress tarball image layers when saving to a directory using the 'dir' transport. (default is same compression type as source)"),
    format: textOr('docker-archive', 'Save image to oci-archive, oci-dir (directory with oci manifest type), docker-archive, docker-dir (directory with v2s2 manifest type)', { complete: formats }),
    'multi-image-archive': bool('Interpret additional arguments as images not tags and create a multi-image-archive (only for docker-archive)', { char: 'm' }),
    output: text('Write to a specified file (default: stdout, which must be redirected)', { char: 'o', complete: 'files' }),
    quiet: bool('Suppress the output', { char: 'q' }),
    'signature-policy': text('Path to a signature-policy file', { hidden: true, complete: 'files' }),
    uncompressed: bool('Accept uncompressed layers when copying OCI images'),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(Save)
    const { format, output } = flags
    if (this.given.has('compress') && format !== 'docker-dir') throw new TpodError('BAD_FLAG', "--compress can only be set when --format is 'docker-dir'")
    if (!isFormat(format)) throw new TpodError('BAD_FLAG', `unsupported format ${JSON.stringify(format)} for saving images`, { remedy: `there are ${formats.join(', ')}` })
    const isStream = output === undefined || output === ''
    if (isStream && isTerminal(1)) throw new TpodError('USAGE', 'refusing to save to terminal. Use -o flag or redirect')
    if (isStream && format.endsWith('-dir')) throw new TpodError('BAD_FLAG', `save --format ${format}: a directory cannot be written to standard output`, { remedy: 'name one with --output' })
    if (!isStream) checkFileName(output)
    const engine = await this.openEngine()
    const { saveImages } = await import('../../libpod/images/archives.ts')
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet || isStream, ...(columns === undefined ? {} : { columns }) })
    try {
      await saveImages(engine, image, isStream ? '/dev/stdout' : output, {
        format, compress: flags.compress, uncompressed: flags.uncompressed, multiImage: flags['multi-image-archive'],
        signaturePolicy: flags['signature-policy'], signal: this.signal, onProgress: progress.onProgress,
      })
    } finally {
      progress.finish()
    }
  }
}

function isFormat(word: string): word is SaveFormat {
  return (formats as readonly string[]).includes(word)
}
