import { BaseCommand } from '../../cli/base-command.ts'
import { createFlags, createRequest } from '../../cli/create-request.ts'
import { detachKeysFlag, sigProxyFlag } from '../../cli/flags/attach.ts'
import { arg, args, bool, csv } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { releaseSignals } from '../../cli/signals.ts'
import { standardStreams } from '../../cli/standard-streams.ts'

export default class Run extends BaseCommand {
  static override summary = 'Run a command in a new container'
  static override description = 'Runs a command in a new container from the given image'
  static override usage = '[options] IMAGE [COMMAND [ARG...]]'
  static override examples = ['tpod run imageID ls -alF /etc', 'tpod run --network=host imageID dnf -y install java', 'tpod run --volume /var/hostdir:/var/ctrdir -i -t fedora /bin/bash']
  static override passthrough = true
  static override args = { image: arg('image', 'image', { required: true, complete: 'images' }), command: args('command', 'command and its words') }
  static override flags = {
    ...createFlags, ...detachKeysFlag, ...sigProxyFlag,
    attach: csv('Attach to STDIN, STDOUT or STDERR', { char: 'a' }),
    detach: bool('Run container in background and print container ID', { char: 'd' }),
  }

  async run(): Promise<number> {
    const { args: { image, command }, flags } = await this.parse(Run)
    if (flags.detach && flags.attach.length > 0) throw this.usageError('--detach and --attach cannot be used together')
    const engine = await this.openEngine()
    const { spec, options, progress } = await createRequest({
      flags, given: this.given, image: image as string, command, engine, env: this.context.env, signal: this.signal,
    })
    const streams = flags.detach ? {} : {
      streams: standardStreams({
        interactive: flags.interactive, tty: flags.tty, attach: flags.attach, sigProxy: flags['sig-proxy'],
        detachKeys: flags['detach-keys'], defaultDetachKeys: engine.config.engine.detachKeys,
      }),
    }
    const { runContainer } = await import('../../libpod/container/run-container.ts')
    const result = await runContainer(engine, spec, {
      ...options, detach: flags.detach, ...streams,
      // From here on a signal is the container's: until now it broke off the pull.
      onCreated: () => { progress.finish(); if (!flags.detach) releaseSignals() },
    }).finally(() => progress.finish())
    if (flags.detach) printLine(result.id)
    return result.exitCode ?? 0
  }
}
