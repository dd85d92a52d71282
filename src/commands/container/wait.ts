import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, csv, textOr } from '../../cli/options.ts'
import { actOnEach, latestFlag, selectContainers } from '../../cli/select-containers.ts'
import { errorCode } from '../../errors/tpod-error.ts'

export default class Wait extends BaseCommand {
  static override summary = 'Block on one or more containers'
  static override description = 'Block until one or more containers stop and then print their exit codes.'
  static override examples = ['tpod wait ctrID1 ctrID2', 'tpod wait --condition running --interval 1s ctrID']
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    condition: csv('Condition to wait on'),
    ignore: bool('Ignore if a container does not exist'),
    interval: textOr('250ms', 'Time Interval to wait before polling for completion', { char: 'i' }),
    ...latestFlag,
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Wait)
    const { parseWaitCondition, waitContainer } = await import('../../libpod/container/wait-container.ts')
    const conditions = flags.condition.map(parseWaitCondition)
    const { parseFlagDurationMs } = await import('../../cli/parse-duration.ts')
    const intervalMs = parseFlagDurationMs('interval', flags.interval)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { names: container, latest: flags.latest })
    const outcomes = await actOnEach(names, (name) => waitContainer(engine, name, { conditions, intervalMs, signal: this.signal }))
    const shown = flags.ignore
      ? outcomes.map((outcome) => (errorCode(outcome.error) === 'NO_SUCH_CONTAINER' ? { input: outcome.input, value: -1 } : outcome))
      : outcomes
    return this.report(shown, String)
  }
}
