import { askPassphrase } from '../../cli/ask-passphrase.ts'
import { BaseCommand } from '../../cli/base-command.ts'
import { signFlags } from '../../cli/flags/copy.ts'
import { listAccess, listAccessFlags } from '../../cli/flags/list-access.ts'
import { pushRequest } from '../../cli/flags/push.ts'
import { arg, bool, csv, integer, text } from '../../cli/options.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
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
    ...listAccessFlags, ...signFlags,
    'add-compression': csv('add instances with selected compression while pushing'),
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
    // As podman: a format that is asked for is for layers that are compressed already, too.
    const force = this.given.has('force-compression') ? flags['force-compression'] : flags['compression-format'] !== undefined
    const request = pushRequest({ ...flags, 'force-compression': force })
    const { parseAddedCompressions } = await import('../../image/manifest-list/add-compression.ts')
    const addCompression = parseAddedCompressions(flags['add-compression'])
    const engine = await this.openEngine()
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    try {
      await pushManifestList(engine, list as string, destination ?? (list as string), {
        ...listAccess(flags, this.given, this.signal), ...request,
        addCompression, all: flags.all, remove: flags.rm || flags.purge, signal: this.signal, onProgress: progress.onProgress,
        askPassphrase: (keyFile) => askPassphrase(keyFile, this.signal),
      })
    } finally {
      progress.finish()
    }
  }
}
