import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, csv, uint } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { actOnEach, cidfileFlag, latestFlag, selectContainers } from '../../cli/select-containers.ts'
import { errorCode } from '../../errors/tpod-error.ts'

export default class Rm extends BaseCommand {
  static override summary = 'Remove one or more containers'
  static override description = 'Removes one or more containers from the host. The container name or ID can be used.\n\nCommand does not remove images. Running or unusable containers will not be removed without the -f option.'
  static override examples = ['tpod rm mywebserver myflaskserver 860a4b23', 'tpod rm --force --all', 'tpod rm -f c684f0d469f2']
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    all: bool('Remove all containers', { char: 'a' }),
    ...cidfileFlag,
    depend: bool('Remove container and all containers that depend on the selected container'),
    filter: csv('Filter output based on conditions given'),
    force: bool('Force removal of a running or unusable container', { char: 'f' }),
    ignore: bool('Ignore errors when a specified container is missing', { char: 'i' }),
    ...latestFlag,
    time: uint('Seconds to wait for stop before killing the container (default: as the container was created, 10)', { char: 't', aliases: ['timeout'] }),
    volumes: bool('Remove anonymous volumes associated with the container', { char: 'v' }),
  }

  async run(): Promise<number> {
    const { args: { container }, flags } = await this.parse(Rm)
    if (flags.time !== undefined && !flags.force) throw this.usageError('--force option must be specified to use the --time option')
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { ...flags, names: container })
    const { removeContainer } = await import('../../libpod/container/remove-container.ts')
    const options = {
      force: flags.force, volumes: flags.volumes, depend: flags.depend, signal: this.signal,
      ...(flags.time === undefined ? {} : { timeoutSec: flags.time }),
    }
    const outcomes = await actOnEach(names, (name) => removeContainer(engine, name, options))
    // podman: what --force or --ignore asks to be gone, and is not there, is no failure.
    const lenient = flags.ignore || flags.force
    const kept = outcomes.filter(({ error }) => !(lenient && errorCode(error) === 'NO_SUCH_CONTAINER'))
    for (const { input, value } of kept) {
      if (value) for (const id of value.length > 1 ? value : [container.includes(input) ? input : value[0]]) printLine(String(id))
    }
    return this.report(kept.filter(({ error }) => error !== undefined))
  }
}
