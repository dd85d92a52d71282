import { BaseCommand } from '../../cli/base-command.ts'
import { createFlags, createRequest } from '../../cli/create-request.ts'
import { detachKeysFlag, sigProxyFlag } from '../../cli/flags/attach.ts'
import { arg, args, bool, csv } from '../../cli/options.ts'
import { printLine, printWarning } from '../../cli/output.ts'
import { releaseSignals } from '../../cli/signals.ts'
import type { Engine } from '../../libpod/engine.ts'
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
    rmi: bool('Remove container image unless used by other containers'),
    detach: bool('Run container in background and print container ID', { char: 'd' }),
  }

  async run(): Promise<number> {
    const { args: { image, command }, flags } = await this.parse(Run)
    if (flags.detach && flags.attach.length > 0) throw this.usageError('--detach and --attach cannot be used together')
    if (flags.rmi && (flags.detach || !flags.rm)) throw this.usageError(flags.detach ? '--rmi and --detach cannot be used together' : '--rmi needs --rm: an image that a container uses stays')
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
      ...options, detach: flags.detach, ...streams, onWarning: printWarning,
      // From here on a signal is the container's: until now it broke off the pull.
      onCreated: () => { progress.finish(); if (!flags.detach) releaseSignals() },
    }).finally(() => progress.finish())
    if (flags.rmi) await this.#removeImage(engine, spec.rawImageName)
    // With nothing of it to be seen, the id says which one it was.
    if (flags.detach || flags.attach.length > 0 && flags.attach.every((word) => word.toLowerCase() === 'stdin')) printLine(result.id)
    return result.exitCode ?? 0
  }

  /** Another container may use it: that is said, but is no failure of the run. */
  async #removeImage(engine: Engine, name: string): Promise<void> {
    const { removeImages } = await import('../../libpod/images/local.ts')
    for (const { error } of await removeImages(engine, [name], { signal: this.signal })) if (error) printWarning(error.message)
  }
}
