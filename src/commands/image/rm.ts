import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'

export default class ImageRm extends BaseCommand {
  static override summary = 'Removes one or more images from local storage'
  static override description = 'Removes one or more previously pulled or locally created images.'
  static override examples = ['tpod rmi imageID', 'tpod rmi --force alpine', 'tpod rmi c4dfb1609ee2 93fd78260bd1 c0ed59d05ff7']
  static override args = { image: args('image', 'names or ids', { complete: 'images' }) }
  static override flags = {
    all: bool('Remove all images', { char: 'a' }),
    force: bool('Force Removal of the image', { char: 'f' }),
    ignore: bool('Ignore errors if a specified image does not exist', { char: 'i' }),
    'no-prune': bool('Do not remove dangling images'),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(ImageRm)
    if (image.length === 0 && !flags.all) throw this.usageError('image name or ID must be specified')
    if (image.length > 0 && flags.all) throw this.usageError('when using the --all switch, you may not pass any images names or IDs')
    const engine = await this.openEngine()
    const { removeImages } = await import('../../libpod/images/local.ts')
    const outcomes = await removeImages(engine, image, {
      all: flags.all, force: flags.force, ignore: flags.ignore || flags.force, noPrune: flags['no-prune'], signal: this.signal,
    })
    for (const { value } of outcomes) {
      for (const name of value?.untagged ?? []) printLine(`Untagged: ${name}`)
      for (const id of value?.deleted ?? []) printLine(`Deleted: ${id}`)
    }
    return this.report(outcomes.filter(({ error }) => error !== undefined))
  }
}
