import { BaseCommand } from '../../cli/base-command.ts'
import { arg, bool } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class ImageTree extends BaseCommand {
  static override summary = 'Prints layer hierarchy of an image in a tree format'
  static override description = 'Prints layer hierarchy of an image in a tree format'
  static override examples = ['tpod image tree alpine:latest', 'tpod image tree --whatrequires alpine:latest']
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }) }
  static override flags = { whatrequires: bool('Show all child images and layers of the specified image') }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(ImageTree)
    const engine = await this.openEngine()
    const [{ imageLayerTree }, { formatImageTree }] = await Promise.all([import('../../image/local/layer-tree.ts'), import('../../cli/image-tree-view.ts')])
    writeOut(formatImageTree(await imageLayerTree(engine.store, registriesOf(engine), image as string, { children: flags.whatrequires })))
  }
}
