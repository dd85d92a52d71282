import { BaseCommand } from '../../cli/base-command.ts'
import { arg, args } from '../../cli/options.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class Tag extends BaseCommand {
  static override summary = 'Add an additional name to a local image'
  static override description = 'Adds one or more additional names to locally-stored image.'
  static override usage = 'IMAGE TARGET_NAME [TARGET_NAME...]'
  static override examples = ['tpod tag 0e3bbc2 fedora:latest', 'tpod tag imageID:latest myNewImage:newTag', 'tpod tag httpd myregistryhost:5000/fedora/httpd:v2']
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }), names: args('target_name', 'new names', { required: true }) }

  async run(): Promise<void> {
    const { args: { image, names } } = await this.parse(Tag)
    const engine = await this.openEngine()
    const { tagImage } = await import('../../image/local/tag.ts')
    await tagImage(engine.store, registriesOf(engine), image as string, names)
  }
}
