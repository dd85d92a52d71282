import { BaseCommand } from '../../cli/base-command.ts'
import { alignColumns } from '../../cli/format.ts'
import { args, bool, text } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'

export default class ImageMount extends BaseCommand {
  static override summary = "Mount an image's root filesystem"
  static override description = 'tpod image mount\n  Lists all mounted images mount points if no images is specified\n\ntpod image mount IMAGE-NAME-OR-ID\n  Mounts the specified image and prints the mountpoint'
  static override usage = '[options] [IMAGE...]'
  static override examples = ['tpod image mount imgID', 'tpod image mount imgID1 imgID2 imgID3', 'tpod image mount', 'tpod image mount --all']
  static override args = { image: args('image', 'names or ids', { complete: 'images' }) }
  static override flags = {
    all: bool('Mount all images', { char: 'a' }),
    format: text('Print the mounted images in specified format (json)'),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(ImageMount)
    if (image.length > 0 && flags.all) throw this.usageError('when using the --all switch, you may not pass any image names or IDs')
    if (flags.format !== undefined && flags.format !== '' && flags.format !== 'json') throw this.usageError(`unknown --format argument: ${JSON.stringify(flags.format)}`)
    const engine = await this.openEngine()
    const { listMountedImages, mountImages } = await import('../../libpod/images/local.ts')
    const mounted = flags.all || image.length > 0 ? await mountImages(engine, image, { all: flags.all }) : await listMountedImages(engine)
    if (flags.format === 'json') {
      const rows = mounted.map(({ image: { id, digest = '', names }, path }) => ({ id, Names: [digest], Repositories: namesOf(names), mountpoint: path }))
      return printLine(JSON.stringify(rows, null, 1))
    }
    if (image.length === 1 && mounted.length === 1) return printLine(mounted[0]!.path)
    writeOut(alignColumns(mounted.map(({ image: { id, names }, path }) => `${namesOf(names)[0] ?? id}\t${path}\n`).join('')))
  }
}

function namesOf(names: readonly string[] = []): string[] {
  return names.filter((name) => !name.includes('@'))
}
