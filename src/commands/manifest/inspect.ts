import { BaseCommand } from '../../cli/base-command.ts'
import { formatJson } from '../../cli/format.ts'
import { listAccess, tlsFlags } from '../../cli/flags/list-access.ts'
import { arg, bool, text } from '../../cli/options.ts'
import { printLine, printWarning } from '../../cli/output.ts'
import { inspectManifestList } from '../../libpod/images/manifest-lists.ts'

export default class ManifestInspect extends BaseCommand {
  static override summary = 'Display the contents of a manifest list or image index'
  static override description = 'Displays the contents of a manifest list or image index of the local storage, or else of a registry.'
  static override usage = '[options] IMAGE'
  static override examples = ['tpod manifest inspect localhost/list', 'tpod manifest inspect docker://quay.io/podman/hello']
  static override args = { list: arg('image', 'name or id of a list, or a name in a registry', { required: true, complete: 'images' }) }
  static override flags = {
    ...tlsFlags,
    authfile: text('path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    verbose: bool('Added for Docker compatibility', { char: 'v', hidden: true }),
  }

  async run(): Promise<void> {
    const { args: { list }, flags } = await this.parse(ManifestInspect)
    const engine = await this.openEngine()
    const { document, singleImageType } = await inspectManifestList(engine, list as string, listAccess(flags, this.given, this.signal))
    if (singleImageType !== undefined) printWarning(`The manifest type ${singleImageType} is not a manifest list but a single image.`)
    printLine(formatJson(document))
  }
}
