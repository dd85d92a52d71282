import { BaseCommand } from '../../cli/base-command.ts'
import { inspectObject } from '../../cli/inspect-object.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { actOnEach, latestContainer, latestFlag } from '../../cli/select-containers.ts'

const inspectTypes = ['all', 'container', 'image', 'network', 'volume'] as const

export default class Inspect extends BaseCommand {
  static override summary = 'Display the configuration of object denoted by ID'
  static override description = 'Displays the low-level information on an object identified by name or ID.\nFor more inspection options, see:\n\n    tpod container inspect\n    tpod image inspect\n    tpod network inspect\n    tpod volume inspect'
  static override usage = '[options] {CONTAINER|IMAGE|NETWORK|VOLUME} [...]'
  static override examples = ['tpod inspect fedora', 'tpod inspect --type image fedora', 'tpod inspect CtrID ImgID', 'tpod inspect --format "imageId: {{.Id}} size: {{.Size}}" fedora']
  static override args = { object: args('object', 'names or ids', { complete: 'containers-and-images' }) }
  static override flags = {
    format: textOr('json', 'Format the output to a Go template or json', { char: 'f' }),
    ...latestFlag,
    size: bool('Display total file size', { char: 's' }),
    type: textOr('all', `Specify inspect-object type (${inspectTypes.join(', ')})`, { char: 't', options: inspectTypes }),
  }

  async run(): Promise<number> {
    const { args: { object }, flags } = await this.parse(Inspect)
    if (flags.latest && object.length > 0) throw this.usageError('--latest and arguments cannot be used together')
    if (!flags.latest && object.length === 0) throw this.usageError('no names or ids specified')
    if (flags.size && flags.type !== 'all' && flags.type !== 'container') throw this.usageError('size is not supported for type ' + flags.type)
    const engine = await this.openEngine()
    const names = flags.latest ? [latestContainer(engine)] : object
    const type = flags.latest ? 'container' : flags.type
    return this.reportObjects(await actOnEach(names, (name) => inspectObject(engine, name, type, flags.size)), flags.format)
  }
}
