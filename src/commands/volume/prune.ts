import { BaseCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { openVolumes, volumeFilters } from '../../cli/open-volumes.ts'
import { bool, list } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'

export default class VolumePrune extends BaseCommand {
  static override summary = 'Remove all unused volumes'
  static override description = 'Volumes that are not currently owned by a container will be removed.\n\nThe command prompts for confirmation which can be overridden with the --force flag.\nNote all data will be destroyed.'
  static override examples = ['tpod volume prune --force', "tpod volume prune --filter 'label=tmp'"]
  static override flags = {
    filter: list("Provide filter values (e.g. 'label=<key>=<value>')"),
    force: bool('Do not prompt for confirmation', { char: 'f' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(VolumePrune)
    const volumes = openVolumes(await this.openEngine())
    const { listVolumes, removeVolume } = await import('../../libpod/volume/volume-store.ts')
    const matches = volumeFilters(flags.filter, volumes)
    const unused: string[] = []
    for (const volume of listVolumes(volumes.paths)) {
      if ((await volumes.users(volume.name)).length === 0 && await matches(volume)) unused.push(volume.name)
    }
    if (!flags.force && unused.length > 0) {
      const question = 'WARNING! This will remove all volumes not used by at least one container. The following volumes will be removed:'
      if (!confirm([question, ...unused].join('\n'))) return
    }
    for (const name of unused) {
      await removeVolume(volumes.paths, name, volumes.users, { ifMissing: true })
      printLine(name)
    }
  }
}
