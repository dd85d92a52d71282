import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { actOnEach, latestFlag, selectContainers } from '../../cli/select-containers.ts'

export default class ContainerInspect extends BaseCommand {
  static override summary = 'Display the configuration of a container'
  static override description = 'Displays the low-level information on a container identified by name or ID.'
  static override examples = ['tpod container inspect myCtr', "tpod container inspect -l --format '{{.Id}} {{.Config.Labels}}'"]
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    format: textOr('json', 'Format the output to a Go template or json', { char: 'f' }),
    ...latestFlag,
    size: bool('Display total file size', { char: 's' }),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(ContainerInspect)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { names: container, latest: flags.latest })
    const { inspectContainer } = await import('../../libpod/container/inspect-container.ts')
    return this.reportObjects(await actOnEach(names, (name) => inspectContainer(engine, name, { size: flags.size })), flags.format)
  }
}
