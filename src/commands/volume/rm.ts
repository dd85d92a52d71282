import { BaseCommand } from '../../cli/base-command.ts'
import { openVolumes } from '../../cli/open-volumes.ts'
import { args, bool, uint } from '../../cli/options.ts'
import { actOnEach } from '../../cli/select-containers.ts'

export default class VolumeRm extends BaseCommand {
  static override summary = 'Remove one or more volumes'
  static override description = 'Remove one or more existing volumes.\n\nBy default only volumes that are not being used by any containers will be removed. To remove the volumes anyways, use the --force flag.'
  static override examples = ['tpod volume rm myvol1 myvol2', 'tpod volume rm --all', 'tpod volume rm --force myvol']
  static override args = { volume: args('volume', 'names', { complete: 'volumes' }) }
  static override flags = {
    all: bool('Remove all volumes', { char: 'a' }),
    force: bool('Remove a volume by force, even if it is being used by a container', { char: 'f' }),
    time: uint('Seconds to wait for running containers to stop before killing the container (default: as the container was created, 10)', { char: 't' }),
  }

  async run(): Promise<number> {
    const { args: { volume }, flags } = await this.parse(VolumeRm)
    if (flags.all === volume.length > 0) throw this.usageError('choose one: either --all or volume names')
    const engine = await this.openEngine()
    const { paths, users } = openVolumes(engine)
    const { getVolume, listVolumes, removeVolume } = await import('../../libpod/volume/volume-store.ts')
    // What --force asks to be gone, and is not there, is no failure; and nothing was removed.
    const names = flags.all ? listVolumes(paths).map(({ name }) => name) : volume.filter((name) => !flags.force || listVolumes(paths).some((known) => known.name.startsWith(name)))
    const outcomes = await actOnEach(names, async (typed) => {
      const { name } = getVolume(paths, typed)
      if (flags.force) {
        const { removeContainer } = await import('../../libpod/container/remove-container.ts')
        const timeout = flags.time === undefined ? {} : { timeoutSec: flags.time }
        for (const id of await users(name)) await removeContainer(engine, id, { force: true, signal: this.signal, ...timeout })
      }
      await removeVolume(paths, name, users, { ifMissing: flags.force })
    })
    return this.report(outcomes)
  }
}
