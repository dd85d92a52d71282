import { BaseCommand } from '../../cli/base-command.ts'
import { listAccess, parseAnnotations, tlsFlags } from '../../cli/flags/list-access.ts'
import { arg, args, bool, list } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { createManifestList } from '../../libpod/images/manifest-lists.ts'

export default class ManifestCreate extends BaseCommand {
  static override summary = 'Create manifest list or image index'
  static override description = 'Creates manifest lists or image indexes.'
  static override usage = '[options] LIST [IMAGE...]'
  static override examples = ['tpod manifest create mylist:v1.11', 'tpod manifest create mylist:v1.11 arch-specific-image-to-add another-arch-specific-image-to-add', 'tpod manifest create --all mylist:v1.11 transport:tagged-image-to-add']
  static override args = {
    list: arg('list', 'name of the list', { required: true, complete: 'images' }),
    image: args('image', 'images to add', { complete: 'images' }),
  }
  static override flags = {
    ...tlsFlags,
    all: bool("add all of the lists' images if the images to add are lists"),
    amend: bool('modify an existing list if one with the desired name already exists', { char: 'a' }),
    annotation: list('set annotations on the new list'),
  }

  async run(): Promise<void> {
    const { args: { list: name, image }, flags } = await this.parse(ManifestCreate)
    const engine = await this.openEngine()
    printLine(await createManifestList(engine, name as string, image, {
      ...listAccess(flags, this.given, this.signal), all: flags.all, amend: flags.amend, annotations: parseAnnotations(flags.annotation),
    }))
  }
}
