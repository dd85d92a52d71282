import { BaseCommand } from '../../cli/base-command.ts'
import { arg } from '../../cli/options.ts'
import { manifestListExists } from '../../libpod/images/manifest-lists.ts'

export default class ManifestExists extends BaseCommand {
  static override summary = 'Check if a manifest list exists in local storage'
  static override description = 'If the manifest list exists in local storage, tpod manifest exists exits with 0, otherwise the exit code will be 1.'
  static override usage = 'MANIFEST'
  static override examples = ['tpod manifest exists mylist']
  static override args = { manifest: arg('manifest', 'name or id of the list', { required: true, complete: 'images' }) }

  async run(): Promise<number> {
    const { args: { manifest } } = await this.parse(ManifestExists)
    return (await manifestListExists(await this.openEngine(), manifest as string)) ? 0 : 1
  }
}
