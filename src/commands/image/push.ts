import { askPassphrase } from '../../cli/ask-passphrase.ts'
import { BaseCommand, wrongCount } from '../../cli/base-command.ts'
import { signFlags } from '../../cli/flags/copy.ts'
import { pushRequest } from '../../cli/flags/push.ts'
import { transferFlags, transferOptions } from '../../cli/flags/transfer.ts'
import { args, bool, csv, integer, list, text } from '../../cli/options.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Push extends BaseCommand {
  static override summary = 'Push an image to a specified destination'
  static override description = 'Pushes a source image to a specified destination.\n\nThe DESTINATION uses a "transport":"details" format; without a transport it is a name on a registry, and without a DESTINATION the image goes to the registry of its own name.'
  static override usage = '[options] IMAGE [DESTINATION]'
  static override examples = ['tpod push imageID docker://registry.example.com/repository:tag', 'tpod push imageID oci-archive:/path/to/layout:image:tag']
  static override args = { image: args('image', 'the image, and where to', { complete: 'images' }) }
  static override flags = {
    ...transferFlags('push'), ...signFlags,
    compress: bool("Compress tarball image layers when pushing to a directory using the 'dir' transport. (default is same compression type as source)"),
    'compression-format': text('compression format to use', { options: ['gzip', 'zstd', 'zstd:chunked'] }),
    'compression-level': integer('compression level to use'),
    digestfile: text('Write the digest of the pushed image to the specified file', { complete: 'files' }),
    'encrypt-layer': csv('Layers to encrypt, 0-indexed layer indices with support for negative indexing (e.g. 0 is the first layer, -1 is the last layer). If not defined, will encrypt all layers if encryption-key flag is specified', { value: 'ints' }),
    'encryption-key': list('Key with the encryption protocol to use to encrypt the image (e.g. jwe:/path/to/key.pem)'),
    'force-compression': bool('Use the specified compression algorithm even if the destination contains a differently-compressed variant already'),
    format: text('Manifest type (oci, v2s2, or v2s1) to use in the destination (default is manifest type of source, with fallbacks)', { char: 'f' }),
    'remove-signatures': bool('Discard any pre-existing signatures in the image'),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(Push)
    const [name, destination] = image as [string, string | undefined]
    if (image.length < 1 || image.length > 2) throw new TpodError('USAGE', wrongCount(image.length, 1, 2))
    const request = pushRequest(flags)
    const engine = await this.openEngine()
    const { pushImage } = await import('../../libpod/images/transfer.ts')
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    try {
      await pushImage(engine, name, destination, {
        ...transferOptions(flags, this.given), ...request, signal: this.signal, onProgress: progress.onProgress, askPassphrase: (keyFile) => askPassphrase(keyFile, this.signal),
      })
    } finally {
      progress.finish()
    }
  }
}
