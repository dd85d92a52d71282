import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { actOnEach, cidfileFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'
import { parseStopSignal } from '../../libpod/spec/parse/numbers.ts'
import { findSignal } from '../../oci/signals.ts'

export default class Kill extends BaseCommand {
  static override summary = 'Kill one or more running containers with a specific signal'
  static override description = 'The main process inside each container specified will be sent SIGKILL, or any signal specified with option --signal.'
  static override examples = ['tpod kill mywebserver', 'tpod kill 860a4b23', 'tpod kill --signal TERM ctrID']
  static override args = { container: args('container', 'names or ids', { complete: 'running-containers' }) }
  static override flags = {
    all: bool('Signal all running containers', { char: 'a' }),
    ...cidfileFlag, ...latestFlag,
    signal: textOr('KILL', 'Signal to send to the container', { char: 's' }),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Kill)
    const signal = findSignal(parseStopSignal(flags.signal)) as number
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container, states: ['running', 'paused'] })
    const { killContainer } = await import('../../libpod/container/kill-container.ts')
    return this.report(await actOnEach(names, (name) => killContainer(engine, name, signal)))
  }
}
