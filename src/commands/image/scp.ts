import { BaseCommand } from '../../cli/base-command.ts'
import { arg, bool, textOr } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'

const formats = ['docker-archive', 'oci-archive'] as const

export default class ImageScp extends BaseCommand {
  static override summary = 'Securely copy images'
  static override description = 'Securely copy an image from one host to another.\n\nA host is [USER@]HOST[:PORT], or the name of a connection in containers.conf; USER@localhost:: means the images of another user of this machine. A name after the destination becomes a name of the copy.'
  static override usage = '[options] [HOST::]IMAGE [HOST::][NAME]'
  static override examples = ['tpod image scp myimage:latest otherhost::', 'tpod image scp root@otherhost::alpine', 'tpod image scp alpine user@localhost::']
  static override args = { source: arg('image', 'image, after HOST:: if it is elsewhere', { required: true, complete: 'images' }), destination: arg('destination', 'where to') }
  static override flags = {
    format: textOr('docker-archive', 'Format of the archive that travels (docker-archive, oci-archive)', { options: formats }),
    quiet: bool('Suppress the output', { char: 'q' }),
  }

  async run(): Promise<void> {
    const { args: { source, destination }, flags } = await this.parse(ImageScp)
    const engine = await this.openEngine()
    const { scpImage } = await import('../../libpod/images/scp.ts')
    const lines = await scpImage(engine, source as string, destination, { format: flags.format as (typeof formats)[number], signal: this.signal })
    if (!flags.quiet) for (const line of lines) printLine(line)
  }
}
