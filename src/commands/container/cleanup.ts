import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'
import { actOnEach, latestFlag, selectContainers } from '../../cli/select-containers.ts'

export default class ContainerCleanup extends BaseCommand {
  static override summary = 'Clean up network and mountpoints of one or more containers'
  static override description = 'Cleans up mount points and network stacks on one or more containers from the host. The container name or ID can be used. This command is used internally when running containers, but can also be used if container cleanup has failed when a container exits.'
  static override examples = ['tpod container cleanup --latest', 'tpod container cleanup ctrID1 ctrID2 ctrID3', 'tpod container cleanup --all']
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    all: bool('Cleans up all containers', { char: 'a' }),
    ...latestFlag,
    rm: bool('After cleanup, remove the container entirely'),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(ContainerCleanup)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container })
    const { cleanupContainer } = await import('../../libpod/container/cleanup-container.ts')
    const { findContainer } = await import('../../libpod/state/find-container.ts')
    const outcomes = await actOnEach(names, async (name) => {
      // Gone already is what a cleanup is after: conmon's exit command comes late for --rm containers.
      const id = (await findContainer(engine, name))?.id ?? name
      await cleanupContainer(engine, id)
      if (flags.rm && await findContainer(engine, id)) {
        const { removeContainer } = await import('../../libpod/container/remove-container.ts')
        await removeContainer(engine, id)
      }
    })
    return this.report(outcomes)
  }
}
