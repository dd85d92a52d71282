import { BaseCommand } from '../../cli/base-command.ts'
import { detachKeysFlag } from '../../cli/flags/attach.ts'
import { args, bool } from '../../cli/options.ts'
import { printWarning } from '../../cli/output.ts'
import { actOnEach, filterFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'
import { releaseSignals } from '../../cli/signals.ts'
import { standardStreams } from '../../cli/standard-streams.ts'
import { ExitCode } from '../../errors/exit-codes.ts'

export default class Start extends BaseCommand {
  static override summary = 'Start one or more containers'
  static override description = 'Starts one or more containers.  The container name or ID can be used.'
  static override examples = ['tpod start --latest', 'tpod start 860a4b231279 5421ab43b45', 'tpod start --interactive --attach imageID']
  static override args = { container: args('container', 'names or ids', { complete: 'stopped-containers' }) }
  static override flags = {
    all: bool('Start all containers regardless of their state or configuration'),
    attach: bool("Attach container's STDOUT and STDERR", { char: 'a' }),
    ...detachKeysFlag, ...filterFlag,
    interactive: bool('Keep STDIN open even if not attached', { char: 'i' }),
    ...latestFlag,
    'sig-proxy': bool('Proxy received signals to the process (default true if attaching, false otherwise)'),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Start)
    const isAttached = flags.attach || flags.interactive
    if (flags['sig-proxy'] && !isAttached) throw this.usageError('you cannot use sig-proxy without --attach')
    if (flags.all && container.length > 0) throw this.usageError('either start all containers or the container(s) provided in the arguments')
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container })
    if (isAttached && names.length > 1) throw this.usageError('you cannot start and attach multiple containers at once')
    const { startContainer } = await import('../../libpod/container/start-container.ts')
    if (!isAttached) {
      const status = await this.report(await actOnEach(names, (name) => startContainer(engine, name, { onWarning: printWarning })))
      // 126 and 127 speak of a command whose exit status is awaited: none is here.
      return status === 0 ? 0 : ExitCode.engineFailure
    }
    const { getContainer } = await import('../../libpod/state/find-container.ts')
    const { spec } = await getContainer(engine, names[0] as string)
    const sigProxy = this.given.has('sig-proxy') ? flags['sig-proxy'] : true
    const streams = standardStreams({
      interactive: flags.interactive, tty: spec.terminal, sigProxy, detachKeys: flags['detach-keys'] ?? spec.detachKeys,
      defaultDetachKeys: engine.config.engine.detachKeys,
    })
    releaseSignals()
    return (await startContainer(engine, names[0] as string, { streams, onWarning: printWarning })).exitCode ?? 0
  }
}
