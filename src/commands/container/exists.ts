import { BaseCommand } from '../../cli/base-command.ts'
import { arg, bool } from '../../cli/options.ts'
import { ExitCode } from '../../errors/exit-codes.ts'

export default class ContainerExists extends BaseCommand {
  static override summary = 'Check if a container exists in local storage'
  static override description = 'If the named container exists in local storage, tpod container exists exits with 0, otherwise the exit code will be 1.'
  static override examples = ['tpod container exists --external containerID', 'tpod container exists myctr || tpod run --name myctr [etc...]']
  static override args = { container: arg('container', 'name or id', { required: true, complete: 'containers' }) }
  static override flags = { external: bool('Check external storage containers as well as tpod containers') }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(ContainerExists)
    const engine = await this.openEngine()
    if (flags.external) return await engine.store.findContainer(container as string) ? ExitCode.ok : ExitCode.notFound
    const { findContainer } = await import('../../libpod/state/find-container.ts')
    return await findContainer(engine, container as string) ? ExitCode.ok : ExitCode.notFound
  }
}
