import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'

export default class ImageUnmount extends BaseCommand {
  static override summary = "Unmount an image's root filesystem"
  static override description = 'Image storage increments a mount counter each time an image is mounted.\n\nWhen an image is unmounted, the mount counter is decremented. The image\'s root filesystem is physically unmounted only when the mount counter reaches zero indicating no other processes are using the mount.\n\nAn unmount can be forced with the --force flag.'
  static override usage = '[options] IMAGE [IMAGE...]'
  static override examples = ['tpod image unmount imgID', 'tpod image unmount imgID1 imgID2 imgID3', 'tpod image unmount --all']
  static override args = { image: args('image', 'names or ids', { complete: 'images' }) }
  static override flags = {
    all: bool('Unmount all of the currently mounted images', { char: 'a' }),
    force: bool('Force the complete unmount of the specified mounted images', { char: 'f' }),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(ImageUnmount)
    if (image.length === 0 && !flags.all) throw this.usageError('image name or ID must be specified')
    if (image.length > 0 && flags.all) throw this.usageError('when using the --all switch, you may not pass any image names or IDs')
    const engine = await this.openEngine()
    const { unmountImages } = await import('../../libpod/images/local.ts')
    return this.report(await unmountImages(engine, image, { all: flags.all, force: flags.force }))
  }
}
