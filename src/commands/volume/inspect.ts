import { BaseCommand } from '../../cli/base-command.ts'
import { openVolumes, volumeView } from '../../cli/open-volumes.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { actOnEach } from '../../cli/select-containers.ts'

export default class VolumeInspect extends BaseCommand {
  static override summary = 'Display detailed information on one or more volumes'
  static override description = 'Display detailed information on one or more volumes.\n\nUse a Go template to change the format from JSON.'
  static override examples = ['tpod volume inspect myvol', 'tpod volume inspect --all', 'tpod volume inspect --format "{{.Driver}} {{.Scope}}" myvol']
  static override args = { volume: args('volume', 'names', { complete: 'volumes' }) }
  static override flags = {
    all: bool('Inspect all volumes', { char: 'a' }),
    format: textOr('json', 'Format volume output using Go template', { char: 'f' }),
  }

  async run(): Promise<number> {
    const { args: { volume }, flags } = await this.parse(VolumeInspect)
    if (flags.all === volume.length > 0) throw this.usageError(flags.all ? 'no arguments are needed with --all' : 'you must provide at least one volume name or use --all')
    const { paths } = openVolumes(await this.openEngine())
    const { getVolume, listVolumes } = await import('../../libpod/volume/volume-store.ts')
    const names = flags.all ? listVolumes(paths).map(({ name }) => name) : volume
    return this.reportObjects(await actOnEach(names, async (name) => volumeView(getVolume(paths, name))), flags.format)
  }
}
