import { BaseCommand } from '../../cli/base-command.ts'
import { arg } from '../../cli/options.ts'

export default class Rename extends BaseCommand {
  static override summary = 'Rename an existing container'
  static override description = 'The tpod rename command allows you to rename an existing container'
  static override examples = ['tpod rename containerA newName']
  static override args = {
    container: arg('container', 'name or id', { required: true, complete: 'containers' }),
    name: arg('name', 'new name', { required: true, complete: 'none' }),
  }

  async run(): Promise<void> {
    const { args: { container, name } } = await this.parse(Rename)
    const { renameContainer } = await import('../../libpod/container/rename-container.ts')
    await renameContainer(await this.openEngine(), container as string, name as string)
  }
}
