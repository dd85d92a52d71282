import { BaseCommand } from '../../cli/base-command.ts'
import { writeChanges } from '../../cli/diff-view.ts'
import { arg, textOr } from '../../cli/options.ts'

export default class ImageDiff extends BaseCommand {
  static override summary = "Inspect changes to the image's file systems"
  static override description = "Displays changes to the image's filesystem.  The image will be compared to its parent layer or the second argument when given."
  static override usage = '[options] IMAGE [IMAGE]'
  static override examples = ['tpod image diff myImage', 'tpod image diff --format json redis:alpine']
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }), base: arg('base', 'image to compare with', { complete: 'images' }) }
  static override flags = { format: textOr('', 'Change the output format (json)') }

  async run(): Promise<void> {
    const { args: { image, base }, flags } = await this.parse(ImageDiff)
    if (flags.format !== '' && flags.format !== 'json') throw this.usageError("only supported value for '--format' is 'json'")
    const engine = await this.openEngine()
    const { diffObjects } = await import('../../libpod/images/local.ts')
    writeChanges(await diffObjects(engine, image as string, base, 'image'), flags.format)
  }
}
