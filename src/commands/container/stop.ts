import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, uint } from '../../cli/options.ts'
import { printWarning } from '../../cli/output.ts'
import { actOnEach, cidfileFlag, filterFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'
import { errorCode } from '../../errors/tpod-error.ts'

export default class Stop extends BaseCommand {
  static override summary = 'Stop one or more containers'
  static override description = 'Stops one or more running containers.  The container name or ID can be used.\n\nA timeout to forcibly stop the container can also be set but defaults to 10 seconds otherwise.'
  static override examples = ['tpod stop ctrID', 'tpod stop --latest', 'tpod stop --time 2 mywebserver 6e534f14da9d']
  static override args = { container: args('container', 'names or ids', { complete: 'running-containers' }) }
  static override flags = {
    all: bool('Stop all running containers', { char: 'a' }),
    ...cidfileFlag, ...filterFlag, ...latestFlag,
    ignore: bool('Ignore errors when a specified container is missing', { char: 'i' }),
    time: uint('Seconds to wait for stop before killing the container (default: as the container was created, 10)', { char: 't', aliases: ['timeout'] }),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Stop)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container, states: ['running', 'paused', 'stopping'] })
    const { stopContainer } = await import('../../libpod/container/stop-container.ts')
    const timeout = flags.time === undefined ? {} : { timeoutSec: flags.time }
    const outcomes = await actOnEach(names, (name) => stopContainer(engine, name, { ...timeout, signal: this.signal, onWarning: printWarning }))
    return this.report(flags.ignore ? outcomes.filter(({ error }) => errorCode(error) !== 'NO_SUCH_CONTAINER') : outcomes)
  }
}
