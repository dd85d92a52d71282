import { BaseCommand } from '../../cli/base-command.ts'
import { writeChanges } from '../../cli/diff-view.ts'
import { arg, textOr } from '../../cli/options.ts'
import { latestContainer, latestFlag } from '../../cli/select-containers.ts'

export default class Diff extends BaseCommand {
  static override summary = "Display the changes to the object's file system"
  static override description = "Displays changes on a container or image's filesystem.  The container or image will be compared to its parent layer or the second argument when given."
  static override usage = '[options] {CONTAINER|IMAGE} [{CONTAINER|IMAGE}]'
  static override examples = ['tpod diff imageID', 'tpod diff ctrID', 'tpod diff --format json redis:alpine']
  static override args = { object: arg('object', 'name or id', { complete: 'containers-and-images' }), base: arg('base', 'object to compare with', { complete: 'containers-and-images' }) }
  static override flags = { format: textOr('', 'Change the output format (json)'), ...latestFlag }

  async run(): Promise<void> {
    const { args: { object, base }, flags } = await this.parse(Diff)
    if (flags.latest && object !== undefined) throw this.usageError('--latest and containers cannot be used together')
    if (!flags.latest && object === undefined) throw this.usageError(`${JSON.stringify(this.context.commandLine)} requires a name, id, or the "--latest" flag`)
    if (flags.format !== '' && flags.format !== 'json') throw this.usageError("only supported value for '--format' is 'json'")
    const engine = await this.openEngine()
    const { diffObjects } = await import('../../libpod/images/local.ts')
    writeChanges(await diffObjects(engine, object ?? latestContainer(engine), base, this.kind), flags.format)
  }

  /** `container diff` knows containers only. */
  protected get kind(): 'any' | 'container' {
    return 'any'
  }
}
