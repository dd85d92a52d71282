import { BaseCommand } from '../../cli/base-command.ts'
import { alignColumns } from '../../cli/format.ts'
import { args, bool } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'
import { latestContainer, latestFlag } from '../../cli/select-containers.ts'

export default class Top extends BaseCommand {
  static override summary = 'Display the running processes of a container'
  static override description = 'Display the running processes of a container.\n\nThe descriptors are those of the ps(1) of AIX, extended by container-specific ones (--list-descriptors). Of ps(1) options those that choose columns are understood (-ef, aux, -eo LIST). Nothing inside the container is executed.'
  static override usage = '[options] CONTAINER [FORMAT-DESCRIPTORS|ARGS...]'
  static override examples = ['tpod top ctrID', 'tpod top --latest', 'tpod top ctrID pid seccomp args %C', 'tpod top ctrID -eo user,pid,comm']
  static override passthrough = true
  static override args = { words: args('container', 'name or id, then descriptors', { complete: 'running-containers' }) }
  static override flags = { ...latestFlag, 'list-descriptors': bool('List the format descriptors', { hidden: true }) }

  async run(): Promise<void> {
    const { args: { words }, flags } = await this.parse(Top)
    const { listDescriptors, topContainer } = await import('../../libpod/container/container-top.ts')
    if (flags['list-descriptors']) return printLine(listDescriptors().join('\n'))
    const engine = await this.openEngine()
    const name = flags.latest ? latestContainer(engine) : words[0]
    if (name === undefined) throw this.usageError('you must provide the name or id of a running container')
    const { titles, rows } = await topContainer(engine, name, flags.latest ? words : words.slice(1))
    writeOut(alignColumns([titles, ...rows].map((row) => `${row.join('\t')}\n`).join('')))
  }
}
