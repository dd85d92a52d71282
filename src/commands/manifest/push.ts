import { BaseCommand } from '../../cli/base-command.ts'
import { listAccess, listAccessFlags } from '../../cli/flags/list-access.ts'
import { arg, bool, integer, text } from '../../cli/options.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import type { CopyOptions, ManifestFormat } from '../../image/copy/types.ts'
import { pushManifestList } from '../../libpod/images/manifest-lists.ts'

export default class ManifestPush extends BaseCommand {
  static override summary = 'Push a manifest list or image index to a registry'
  static override description = 'Pushes a manifest list or image index, and the images that it lists, to a registry or to another place. Without DESTINATION its own name is used.'
  static override usage = '[options] LIST [DESTINATION]'
  static override examples = ['tpod manifest push mylist:v1.11 docker://quay.io/myuser/image:v1.11']
  static override args = {
    list: arg('list', 'name or id of the list', { required: true, complete: 'images' }),
    destination: arg('destination', 'transport:details, or a name in a registry'),
  }
  static override flags = {
    ...listAccessFlags,
    all: bool('also push the images in the list', { default: true }),
    'compression-format': text('compression format to use', { options: ['gzip', 'zstd'] }),
    'compression-level': integer('compression level to use'),
    digestfile: text('after copying the image, write the digest of the resulting digest to the file', { complete: 'files' }),
    'force-compression': bool('Use the specified compression algorithm even if the destination contains a differently-compressed variant already'),
    format: text('manifest type (oci or v2s2) to attempt to use when pushing the manifest list (default is manifest type of source)', { char: 'f', options: ['oci', 'v2s2', 'docker'] }),
    purge: bool('remove the local manifest list after push', { char: 'p', hidden: true }),
    quiet: bool("don't output progress information when pushing lists", { char: 'q' }),
    'remove-signatures': bool("don't copy signatures when pushing images"),
    rm: bool('remove the manifest list if push succeeds'),
  }

  async run(): Promise<void> {
    const { args: { list, destination }, flags } = await this.parse(ManifestPush)
    if (list === '') throw this.usageError('invalid image name ""')
    if (destination === '') throw this.usageError('invalid destination ""')
    const engine = await this.openEngine()
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    const format = flags['compression-format'] as 'gzip' | 'zstd' | undefined
    const compression: CopyOptions['compression'] = format === undefined && flags['compression-level'] === undefined ? undefined : {
      format: format ?? 'gzip',
      ...(flags['compression-level'] === undefined ? {} : { level: flags['compression-level'] }),
      force: this.given.has('force-compression') ? flags['force-compression'] : format !== undefined,
    }
    try {
      const digest = await pushManifestList(engine, list as string, destination ?? (list as string), {
        ...listAccess(flags, this.given, this.signal),
        all: flags.all, remove: flags.rm || flags.purge, removeSignatures: flags['remove-signatures'],
        signal: this.signal, onProgress: progress.onProgress,
        ...(flags.format === undefined ? {} : { format: (flags.format === 'docker' ? 'v2s2' : flags.format) as ManifestFormat }),
        ...(compression === undefined ? {} : { compression }),
      })
      if (flags.digestfile !== undefined) {
        const { writeFile } = await import('node:fs/promises')
        await writeFile(flags.digestfile, digest)
      }
    } finally {
      progress.finish()
    }
  }
}
