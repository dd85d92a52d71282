import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'
import { actOnEach, cidfileFlag, filterFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'

export default class Unpause extends BaseCommand {
  static override summary = 'Unpause the processes in one or more containers'
  static override description = 'Unpauses one or more previously paused containers.  The container name or ID can be used.'
  static override examples = ['tpod unpause mywebserver', 'tpod unpause 860a4b23', 'tpod unpause --all']
  static override args = { container: args('container', 'names or ids', { complete: 'paused-containers' }) }
  static override flags = {
    all: bool('Unpause all paused containers', { char: 'a' }),
    ...cidfileFlag, ...filterFlag, ...latestFlag,
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Unpause)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container, states: ['paused'] })
    const { unpauseContainer } = await import('../../libpod/container/pause-container.ts')
    return this.report(await actOnEach(names, (name) => unpauseContainer(engine, name)))
  }
}
