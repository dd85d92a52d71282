import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'
import { actOnEach, cidfileFlag, filterFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'

export default class Pause extends BaseCommand {
  static override summary = 'Pause all the processes in one or more containers'
  static override description = 'Pauses one or more running containers.  The container name or ID can be used.'
  static override examples = ['tpod pause mywebserver', 'tpod pause 860a4b23', 'tpod pause --all']
  static override args = { container: args('container', 'names or ids', { complete: 'pausable-containers' }) }
  static override flags = {
    all: bool('Pause all running containers', { char: 'a' }),
    ...cidfileFlag, ...filterFlag, ...latestFlag,
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Pause)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container, states: ['running'] })
    const { pauseContainer } = await import('../../libpod/container/pause-container.ts')
    return this.report(await actOnEach(names, (name) => pauseContainer(engine, name)))
  }
}
