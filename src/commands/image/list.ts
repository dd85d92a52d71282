import { BaseCommand } from '../../cli/base-command.ts'
import { formatJson, isJsonFormat, renderList } from '../../cli/format.ts'
import { costlyFacts, imageFields, imageHeaders, imageJson, imageSortKeys, sortImageRows } from '../../cli/image-view.ts'
import { arg, bool, csv, text, textOr } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class ImageList extends BaseCommand {
  static override summary = 'List images in local storage'
  static override description = 'Lists images previously pulled to the system or created on the system.'
  static override usage = '[options] [IMAGE]'
  static override examples = ['tpod images --format json', 'tpod images --sort repository --format "table {{.ID}} {{.Repository}} {{.Tag}}"', 'tpod images --filter dangling=true']
  static override args = { image: arg('image', 'only images of that name', { complete: 'images' }) }
  static override flags = {
    all: bool('Show all images (default hides intermediate images)', { char: 'a' }),
    digests: bool('Show digests'),
    filter: csv('Filter output based on conditions provided', { char: 'f' }),
    format: text('Change the output format to JSON or a Go template'),
    history: bool('Display the image name history'),
    'no-trunc': bool('Do not truncate output'),
    noheading: bool('Do not print column headings', { char: 'n' }),
    quiet: bool('Display only image IDs', { char: 'q' }),
    sort: textOr('created', `Sort by ${imageSortKeys.join(', ')}`),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(ImageList)
    if (image !== undefined && flags.filter.length > 0 && flags.all) throw this.usageError('cannot specify an image and a filter(s)')
    if (!(imageSortKeys as readonly string[]).includes(flags.sort)) throw this.usageError(`${JSON.stringify(flags.sort)} is not a valid field for sorting. Choose from: ${imageSortKeys.join(', ')}`)
    const engine = await this.openEngine()
    const { imageRows, listImages } = await import('../../image/local/list.ts')
    const filters = image === undefined ? flags.filter : [...flags.filter, `reference=${image}`]
    const entries = await listImages(engine.store, registriesOf(engine), { all: flags.all, filters })
    if (isJsonFormat(flags.format)) {
      return writeOut(`${formatJson(await Promise.all(entries.map(imageJson)))}\n`)
    }
    const rows = sortImageRows(imageRows(entries), flags.sort)
    if (flags.quiet) {
      const ids = new Set(rows.map(({ entry }) => (flags['no-trunc'] ? `sha256:${entry.image.id}` : entry.image.id.slice(0, 12))))
      return writeOut([...ids].map((id) => `${id}\n`).join(''))
    }
    const options = { noTrunc: flags['no-trunc'], nowMs: Date.now() }
    const fields = await Promise.all(rows.map(async (row) => imageFields(row, options, await costlyFacts(row.entry, flags.format))))
    writeOut(await renderList(fields, {
      format: flags.format, headers: imageHeaders, noHeading: flags.noheading,
      defaultTemplate: `table {{.Repository}}\t{{.Tag}}\t${flags.digests ? '{{.Digest}}\t' : ''}{{.ID}}\t{{.Created}}\t{{.Size}}${flags.history ? '\t{{.History}}' : ''}${entries.some((entry) => entry.isReadOnly) ? '\t{{.ReadOnly}}' : ''}`,
    }, () => []))
  }
}
