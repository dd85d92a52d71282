import { BaseCommand } from '../../cli/base-command.ts'
import { text } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'
import { version } from '../../cli/version.ts'

export default class Version extends BaseCommand {
  static override summary = 'Display the tpod version information'
  static override examples = ['tpod version', "tpod version --format '{{.Client.Version}}'"]
  static override flags = { format: text('Change the output format to JSON or a Go template', { char: 'f' }) }

  async run(): Promise<void> {
    const { flags } = await this.parse(Version)
    const client = {
      APIVersion: version,
      Version: version,
      Runtime: process.versions['bun'] === undefined ? `node ${process.versions.node}` : `bun ${process.versions['bun']}`,
      OsArch: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
      Os: 'linux',
    }
    if (flags.format === undefined) {
      const rows = [['Client:', 'tpod'], ['Version:', client.Version], ['API Version:', client.APIVersion], ['Runtime:', client.Runtime], ['OS/Arch:', client.OsArch]]
      writeOut(rows.map(([label = '', value]) => `${label.padEnd(13)}${value}\n`).join(''))
      return
    }
    const { renderObject } = await import('../../cli/format.ts')
    printLine(await renderObject({ Client: client }, flags.format))
  }
}
