import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, uint } from '../../cli/options.ts'
import { printWarning } from '../../cli/output.ts'
import { actOnEach, cidfileFlag, filterFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'

export default class Restart extends BaseCommand {
  static override summary = 'Restart one or more containers'
  static override description = 'Restarts one or more running containers. The container ID or name can be used.\n\nA timeout before forcibly stopping can be set, but defaults to 10 seconds. Containers that do not run are started.'
  static override examples = ['tpod restart ctrID', 'tpod restart --latest', 'tpod restart --time 2 ctrID1 ctrID2', 'tpod restart --running']
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    all: bool('Restart all containers regardless of their state', { char: 'a' }),
    ...cidfileFlag, ...filterFlag, ...latestFlag,
    running: bool('Restart only running containers when --all is used'),
    time: uint('Seconds to wait for stop before killing the container (default: as the container was created, 10)', { char: 't', aliases: ['timeout'] }),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Restart)
    const engine = await this.openEngine()
    const all = flags.all || (flags.running && container.length === 0)
    const names = await selectContainers(engine, { ...flags, all, names: container, ...(flags.running ? { states: ['running'] as const } : {}) })
    const { restartContainer } = await import('../../libpod/container/restart-container.ts')
    const timeout = flags.time === undefined ? {} : { timeoutSec: flags.time }
    return this.report(await actOnEach(names, (name) => restartContainer(engine, name, { ...timeout, signal: this.signal, onWarning: printWarning })))
  }
}
