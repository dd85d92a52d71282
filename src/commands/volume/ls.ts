import { BaseCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/format.ts'
import { openVolumes, volumeFilters, volumeView } from '../../cli/open-volumes.ts'
import { bool, csv, text } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'

export default class VolumeLs extends BaseCommand {
  static override summary = 'List volumes'
  static override description = 'List all available volumes. The output of the volumes can be filtered\nand the output format can be changed to JSON or a user specified Go template.'
  static override examples = ['tpod volume ls', "tpod volume ls --format '{{.Name}} {{.Mountpoint}}'", 'tpod volume ls --filter label=foo=bar --quiet']
  static override flags = {
    filter: csv('Filter volume output', { char: 'f' }),
    format: text('Format volume output using Go template'),
    noheading: bool('Do not print headers', { char: 'n' }),
    quiet: bool('Print volume output in quiet mode', { char: 'q' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(VolumeLs)
    if (flags.quiet && flags.format !== undefined) throw this.usageError('quiet and format flags cannot be used together')
    const volumes = openVolumes(await this.openEngine())
    const { listVolumes } = await import('../../libpod/volume/volume-store.ts')
    const matches = volumeFilters(flags.filter, volumes)
    const rows: ReturnType<typeof volumeView>[] = []
    for (const volume of listVolumes(volumes.paths)) if (await matches(volume)) rows.push(volumeView(volume))
    writeOut(await renderList(rows, {
      format: flags.quiet ? '{{.Name}}' : flags.format,
      defaultTemplate: 'table {{.Driver}}\t{{.Name}}', headers: { Name: 'VOLUME NAME' }, noHeading: flags.noheading,
    }, () => rows))
  }
}
