import { BaseCommand } from '../../cli/base-command.ts'
import { openVolumes } from '../../cli/open-volumes.ts'
import { arg, csv, list, textOr } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { parseKeyValue, parseLabelFlag } from '../../libpod/spec/parse/env-flags.ts'

export default class VolumeCreate extends BaseCommand {
  static override summary = 'Create a new volume'
  static override description = 'If using the default driver, "local", the volume will be created on the host in the volumes directory under container storage.'
  static override examples = ['tpod volume create myvol', 'tpod volume create', 'tpod volume create --label foo=bar myvol']
  static override args = { name: arg('name', 'name of the volume', { complete: 'none' }) }
  static override flags = {
    driver: textOr('local', 'Specify volume driver name', { options: ['local'] }),
    label: csv('Set metadata for a volume', { char: 'l' }),
    opt: list('Set driver specific options', { char: 'o' }),
  }

  async run(): Promise<void> {
    const { args: { name }, flags } = await this.parse(VolumeCreate)
    const { paths } = openVolumes(await this.openEngine())
    const { createVolume } = await import('../../libpod/volume/volume-store.ts')
    const volume = await createVolume(paths, {
      ...(name === undefined ? {} : { name }),
      labels: Object.fromEntries(flags.label.map((item) => parseLabelFlag(item))),
      options: Object.fromEntries(flags.opt.map((item) => parseKeyValue('opt', item))),
    })
    printLine(volume.name)
  }
}
