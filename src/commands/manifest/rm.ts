import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { removeManifestLists } from '../../libpod/images/manifest-lists.ts'

export default class ManifestRm extends BaseCommand {
  static override summary = 'Remove manifest list or image index from local storage'
  static override description = 'Removes manifest lists or image indexes from the local storage. The images that they refer to stay.'
  static override usage = '[options] LIST [LIST...]'
  static override examples = ['tpod manifest rm mylist:v1.11']
  static override args = { list: args('list', 'names or ids', { required: true, complete: 'images' }) }
  static override flags = { ignore: bool('Ignore errors when a specified manifest is missing', { char: 'i' }) }

  async run(): Promise<number> {
    const { args: { list }, flags } = await this.parse(ManifestRm)
    const engine = await this.openEngine()
    const outcomes = await removeManifestLists(engine, list, { ignore: flags.ignore })
    for (const { value } of outcomes) {
      for (const name of value?.untagged ?? []) printLine(`Untagged: ${name}`)
      for (const id of value?.deleted ?? []) printLine(`Deleted: ${id}`)
    }
    return this.report(outcomes.filter(({ error }) => error !== undefined))
  }
}
