import { BaseCommand } from '../../cli/base-command.ts'
import { checkFileName } from '../../cli/file-name.ts'
import { arg, text } from '../../cli/options.ts'
import { isTerminal } from '../../cli/terminal.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Export extends BaseCommand {
  static override summary = "Export container's filesystem contents as a tar archive"
  static override description = "Exports container's filesystem contents as a tar archive and saves it on the local machine."
  static override examples = ['tpod export ctrID > myCtr.tar', 'tpod export --output="myCtr.tar" ctrID']
  static override args = { container: arg('container', 'name or id', { required: true, complete: 'containers' }) }
  static override flags = {
    output: text('Write to a specified file (default: stdout, which must be redirected)', { char: 'o', complete: 'files' }),
  }

  async run(): Promise<void> {
    const { args: { container }, flags: { output } } = await this.parse(Export)
    const isStream = output === undefined || output === ''
    if (isStream && isTerminal(1)) throw new TpodError('USAGE', 'refusing to export to terminal. Use -o flag or redirect')
    if (!isStream) checkFileName(output)
    const engine = await this.openEngine()
    const { exportContainer } = await import('../../libpod/container/export-container.ts')
    await exportContainer(engine, container as string, isStream ? 1 : output, { signal: this.signal })
  }
}
