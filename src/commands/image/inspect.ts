import { BaseCommand } from '../../cli/base-command.ts'
import { args, textOr } from '../../cli/options.ts'
import { actOnEach } from '../../cli/select-containers.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class ImageInspect extends BaseCommand {
  static override summary = 'Display the configuration of an image'
  static override description = 'Displays the low-level information of an image identified by name or ID.'
  static override examples = ['tpod image inspect alpine', 'tpod image inspect --format "imageId: {{.Id}} size: {{.Size}}" alpine']
  static override args = { image: args('image', 'names or ids', { required: true, complete: 'images' }) }
  static override flags = { format: textOr('json', 'Format the output to a Go template or json', { char: 'f' }) }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(ImageInspect)
    const engine = await this.openEngine()
    const { inspectImage } = await import('../../image/inspect.ts')
    return this.reportObjects(await actOnEach(image, (name) => inspectImage(engine.store, registriesOf(engine), name)), flags.format)
  }
}
