import { BaseCommand } from '../../cli/base-command.ts'
import { text } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'

export default class Info extends BaseCommand {
  static override summary = 'Display tpod system information'
  static override description = 'Display information pertaining to the host, current storage stats, and build of tpod.\n\nUseful for the user and when reporting issues.'
  static override examples = ['tpod info', 'tpod info --format json', "tpod info --format '{{.store.graphRoot}}'"]
  static override flags = { format: text('Change the output format to JSON or a Go template', { char: 'f' }) }

  async run(): Promise<void> {
    const { flags } = await this.parse(Info)
    const { systemInfo } = await import('../../cli/system-info.ts')
    const info = await systemInfo(await this.openEngine())
    if (flags.format === undefined) {
      const { formatYaml } = await import('../../cli/yaml.ts')
      return writeOut(formatYaml(info))
    }
    const { goFieldNames, renderObject } = await import('../../cli/format.ts')
    printLine(await renderObject(flags.format === 'json' ? info : goFieldNames(info), flags.format))
  }
}
