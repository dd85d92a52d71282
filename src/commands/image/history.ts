import { BaseCommand } from '../../cli/base-command.ts'
import { isJsonFormat, renderList } from '../../cli/format.ts'
import { historyHeaders, historyJson, historyRow } from '../../cli/history-view.ts'
import { arg, bool, text } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class History extends BaseCommand {
  static override summary = 'Show history of a specified image'
  static override description = 'Displays the history of an image.\n\nThe information can be printed out in an easy to read, or user specified format, and can be truncated.'
  static override examples = ['tpod history quay.io/fedora/fedora', "tpod history --no-trunc --format '{{.ID}} {{.CreatedBy}}' alpine"]
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }) }
  static override flags = {
    format: text('Change the output to JSON or a Go template'),
    human: bool('Display sizes and dates in human readable format', { char: 'H', default: true }),
    'no-trunc': bool('Do not truncate the output', { aliases: ['notruncate'] }),
    quiet: bool('Display the numeric IDs only', { char: 'q' }),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(History)
    const engine = await this.openEngine()
    const { imageHistory } = await import('../../image/local/history.ts')
    const steps = await imageHistory(engine.store, registriesOf(engine), image as string)
    if (isJsonFormat(flags.format)) return writeOut(`${historyJson(steps)}\n`)
    const rows = steps.map((step) => historyRow(step, { human: flags.human, noTrunc: flags['no-trunc'], nowMs: Date.now() }))
    if (flags.quiet) return writeOut(rows.map(({ ID }) => `${ID}\n`).join(''))
    writeOut(await renderList(rows, {
      format: flags.format, headers: historyHeaders, defaultTemplate: 'table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
    }, () => []))
  }
}
