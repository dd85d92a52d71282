import { BaseCommand } from '../../cli/base-command.ts'
import { arg, bool, list, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'

export default class Import extends BaseCommand {
  static override summary = 'Import a tarball to create a filesystem image'
  static override description = 'Create a container image from the contents of the specified tarball (.tar, .tar.gz, .tgz, .bzip, .tar.xz, .txz).\n\nNote remote tar balls can be specified, via web address.\nOptionally tag the image. You can specify the instructions using the --change option.'
  static override usage = '[options] PATH [REFERENCE]'
  static override examples = ['tpod import https://example.com/ctr.tar url-image', 'cat ctr.tar | tpod -q import --message "importing the ctr.tar tarball" - image-imported', 'cat ctr.tar | tpod import -']
  static override args = { path: arg('path', 'file, web address, or - for standard input', { required: true, complete: 'files' }), reference: arg('reference', 'name of the new image', { complete: 'none' }) }
  static override flags = {
    arch: text('Set the architecture of the imported image'),
    change: list('Apply the following possible instructions to the created image (default []): CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR', { char: 'c' }),
    message: text('Set commit message for imported image', { char: 'm' }),
    os: text('Set the OS of the imported image'),
    quiet: bool('Suppress output', { char: 'q' }),
    'signature-policy': text('Path to a signature-policy file', { hidden: true, complete: 'files' }),
    variant: text('Set the variant of the imported image'),
  }

  async run(): Promise<void> {
    const { args: { path, reference }, flags } = await this.parse(Import)
    const engine = await this.openEngine()
    const { importImage } = await import('../../libpod/images/archives.ts')
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    const platform = { ...(flags.os === undefined ? {} : { os: flags.os }), ...(flags.arch === undefined ? {} : { architecture: flags.arch }), ...(flags.variant === undefined ? {} : { variant: flags.variant }) }
    try {
      const id = await importImage(engine, path as string, {
        ...(reference === undefined ? {} : { name: reference }), ...(flags.message === undefined ? {} : { message: flags.message }),
        changes: flags.change, platform, signaturePolicy: flags['signature-policy'], signal: this.signal, onProgress: progress.onProgress,
        onDownload: (url) => printLine(`Downloading from ${JSON.stringify(url)}`),
      })
      progress.finish()
      printLine(`sha256:${id}`)
    } finally {
      progress.finish()
    }
  }
}
