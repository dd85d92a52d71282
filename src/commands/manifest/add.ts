import { BaseCommand } from '../../cli/base-command.ts'
import { entryChanges, entryFlags, listAccess, listAccessFlags } from '../../cli/flags/list-access.ts'
import { arg, args, bool, csv } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { addToManifestList } from '../../libpod/images/manifest-lists.ts'

export default class ManifestAdd extends BaseCommand {
  static override summary = 'Add images to a manifest list or image index'
  static override description = 'Adds an image to a manifest list or image index. A name without transport means an image of the local storage, if there is one, else one of a registry.'
  static override usage = '[options] LIST IMAGE [IMAGE...]'
  static override examples = ['tpod manifest add mylist:v1.11 image:v1.11-amd64', 'tpod manifest add mylist:v1.11 transport:imageName']
  static override args = {
    list: arg('list', 'name or id of the list', { required: true, complete: 'images' }),
    image: args('image', 'images to add', { required: true, complete: 'images' }),
  }
  static override flags = {
    ...listAccessFlags, ...entryFlags,
    all: bool("add all of the list's images if the image is a list"),
    annotation: csv('set an annotation for the specified image', { value: 'annotation' }),
  }

  async run(): Promise<void> {
    const { args: { list, image }, flags } = await this.parse(ManifestAdd)
    const engine = await this.openEngine()
    const changes = entryChanges(flags, flags.annotation)
    printLine(await addToManifestList(engine, list as string, image, { ...listAccess(flags, this.given, this.signal), all: flags.all, changes }))
  }
}
