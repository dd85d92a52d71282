import { BaseCommand } from '../../cli/base-command.ts'
import { arg } from '../../cli/options.ts'
import { ExitCode } from '../../errors/exit-codes.ts'
import { registriesOf } from '../../libpod/image-context.ts'

export default class ImageExists extends BaseCommand {
  static override summary = 'Check if an image exists in local storage'
  static override description = 'If the named image exists in local storage, tpod image exists exits with 0, otherwise the exit code will be 1.'
  static override examples = ['tpod image exists ID', 'tpod image exists IMAGE || tpod pull IMAGE']
  static override args = { image: arg('image', 'name or id', { required: true, complete: 'images' }) }

  async run(): Promise<number> {
    const { args: { image } } = await this.parse(ImageExists)
    const engine = await this.openEngine()
    const { findLocalImage } = await import('../../image/local/resolve-local.ts')
    return await findLocalImage(engine.store, registriesOf(engine), image as string) ? ExitCode.ok : ExitCode.notFound
  }
}
