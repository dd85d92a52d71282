import { BaseCommand } from '../../cli/base-command.ts'
import { errorMessage, TpodError } from '../../errors/tpod-error.ts'
import { arg } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { removeFromManifestList } from '../../libpod/images/manifest-lists.ts'

export default class ManifestRemove extends BaseCommand {
  static override summary = 'Remove an entry from a manifest list or image index'
  static override description = 'Removes an image from a manifest list or image index.'
  static override usage = 'LIST IMAGE'
  static override examples = ['tpod manifest remove mylist:v1.11 sha256:15352d97781ffdf357bf3459c037be3efac4133dc9070c2dce7eca7c05c3e736']
  static override args = {
    list: arg('list', 'name or id of the list', { required: true, complete: 'images' }),
    image: arg('image', "the entry's digest, or an image of the local storage", { required: true, complete: 'images' }),
  }

  async run(): Promise<void> {
    const { args: { list, image } } = await this.parse(ManifestRemove)
    const engine = await this.openEngine()
    try {
      printLine(await removeFromManifestList(engine, list as string, image as string, this.signal))
    } catch (error) {
      if (!(error instanceof TpodError)) throw error
      throw new TpodError(error.code, `removing from manifest list ${list}: ${errorMessage(error)}`, { cause: error, ...(error.remedy === undefined ? {} : { remedy: error.remedy }) })
    }
  }
}
