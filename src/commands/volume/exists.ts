import { BaseCommand } from '../../cli/base-command.ts'
import { openVolumes } from '../../cli/open-volumes.ts'
import { arg } from '../../cli/options.ts'
import { ExitCode } from '../../errors/exit-codes.ts'

export default class VolumeExists extends BaseCommand {
  static override summary = 'Volume exists'
  static override description = 'If the given volume exists, tpod volume exists exits with 0, otherwise the exit code will be 1.'
  static override examples = ['tpod volume exists myvol']
  static override args = { volume: arg('volume', 'name', { required: true, complete: 'volumes' }) }

  async run(): Promise<number> {
    const { args: { volume } } = await this.parse(VolumeExists)
    const { paths } = openVolumes(await this.openEngine())
    const { findVolume } = await import('../../libpod/volume/volume-store.ts')
    return findVolume(paths, volume as string) ? ExitCode.ok : ExitCode.notFound
  }
}
