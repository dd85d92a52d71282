import { BaseCommand } from '../../cli/base-command.ts'
import { args } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { programName } from '../../cli/program-name.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Help extends BaseCommand {
  static override summary = 'Help about any command'
  static override examples = ['tpod help run', 'tpod help volume create']
  static override args = { command: args('command', 'words of the command', { complete: 'none' }) }

  async run(): Promise<void> {
    const { args: { command } } = await this.parse(Help)
    const path = command.join(' ')
    const { table, env } = this.context
    const program = programName(env)
    const { findEntry, nearestPath } = await import('../../cli/dispatch.ts')
    const { commandHelp, groupHelp } = await import('../../cli/program-help.ts')
    const entry = findEntry(table, path)
    if (entry) {
      writeOut(commandHelp(this.context, entry, (await entry.load()).default, path))
      return
    }
    const group = table.groups.find((candidate) => candidate.path === path)
    if (path !== '' && !group) {
      const near = nearestPath(path, table)
      throw new TpodError('UNKNOWN_COMMAND', `no help for \`${path}\``, { remedy: near ? `did you mean '${near}'?` : "'tpod --help' lists the commands" })
    }
    writeOut(groupHelp(program, table, group))
  }
}
