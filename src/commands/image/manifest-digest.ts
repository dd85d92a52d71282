import { args } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

export default class ManifestDigest extends TransportCommand {
  static override summary = 'Compute the digest of a manifest in a file'
  static override description = 'Compute a manifest digest of a file\n\nA signed docker schema 1 manifest has the digest of what was signed.'
  static override usage = 'MANIFEST-FILE'
  static override examples = ['tpod image manifest-digest manifest.json']
  static override args = { file: args('file', 'path of a manifest', { complete: 'files' }) }
  static override flags = {}

  async run(): Promise<void> {
    const { args: words } = await this.parse(ManifestDigest)
    const [path] = this.exactly(words.file, 1, 'Usage: skopeo manifest-digest manifest') as [string]
    const { digestOfManifestFile } = await import('../../libpod/images/registry.ts')
    printLine(await digestOfManifestFile(path))
  }
}
