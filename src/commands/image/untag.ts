import { BaseCommand } from '../../cli/base-command.ts'
import { arg, args } from '../../cli/options.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class Untag extends BaseCommand {
  static override summary = 'Remove a name from a local image'
  static override description = 'Removes one or more names from a locally-stored image: those given after it, or all.'
  static override usage = 'IMAGE [NAME...]'
  static override examples = ['tpod untag 0e3bbc2', 'tpod untag imageID:latest otherImageName:latest', 'tpod untag httpd myregistryhost:5000/fedora/httpd:v2']
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }), names: args('name', 'names to remove', { complete: 'images' }) }

  async run(): Promise<void> {
    const { args: { image, names } } = await this.parse(Untag)
    const engine = await this.openEngine()
    const { untagImage } = await import('../../image/local/tag.ts')
    await untagImage(engine.store, registriesOf(engine), image as string, names)
  }
}
