import { BaseCommand } from '../../cli/base-command.ts'
import { detachKeysFlag, sigProxyFlag } from '../../cli/flags/attach.ts'
import { arg, bool } from '../../cli/options.ts'
import { latestFlag, selectOne } from '../../cli/select-containers.ts'
import { releaseSignals } from '../../cli/signals.ts'
import { standardStreams } from '../../cli/standard-streams.ts'

export default class Attach extends BaseCommand {
  static override summary = 'Attach to a running container'
  static override description = "The tpod attach command allows you to attach to a running container using the container's ID or name, either to view its ongoing output or to control it interactively."
  static override examples = ['tpod attach ctrID', 'tpod attach 1234', 'tpod attach --no-stdin foobar']
  static override args = { container: arg('container', 'name or id', { complete: 'running-containers' }) }
  static override flags = {
    ...detachKeysFlag, ...latestFlag,
    'no-stdin': bool('Do not attach STDIN. The default is false'),
    ...sigProxyFlag,
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Attach)
    const engine = await this.openEngine()
    const name = selectOne(engine, container, flags.latest)
    const { getContainer } = await import('../../libpod/state/find-container.ts')
    const { spec } = await getContainer(engine, name)
    const { attachContainer } = await import('../../libpod/container/attach-container.ts')
    const streams = standardStreams({
      interactive: spec.stdin && !flags['no-stdin'], tty: spec.terminal, sigProxy: flags['sig-proxy'],
      detachKeys: flags['detach-keys'] ?? spec.detachKeys, defaultDetachKeys: engine.config.engine.detachKeys,
    })
    releaseSignals()
    return (await attachContainer(engine, name, streams)).exitCode ?? 0
  }
}
