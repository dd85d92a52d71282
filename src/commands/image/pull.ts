import { BaseCommand } from '../../cli/base-command.ts'
import { platformFlags } from '../../cli/flags/image-choice.ts'
import { transferFlags, transferOptions } from '../../cli/flags/transfer.ts'
import { pullPolicy, wantedPlatform } from '../../cli/image-context.ts'
import { args, bool, list, textOr } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Pull extends BaseCommand {
  static override summary = 'Pull an image from a registry'
  static override description = "Pulls an image from a registry and stores it locally.\n\nAn image can be pulled by tag or digest. If a tag is not specified, the image with the 'latest' tag is pulled. Other places are named with their transport: oci:PATH, oci-archive:PATH, docker-archive:PATH, dir:PATH, docker-daemon:NAME, containers-storage:NAME.\n\nAn interrupted pull goes on where it was when it is repeated."
  static override examples = ['tpod pull imageName', 'tpod pull fedora:latest', 'tpod pull --platform linux/arm64 docker.io/library/alpine', 'tpod pull oci-archive:/tmp/image.tar']
  static override args = { image: args('image', 'references', { required: true, complete: 'images' }) }
  static override flags = {
    ...platformFlags, ...transferFlags('pull'),
    'all-tags': bool('All tagged images in the repository will be pulled', { char: 'a' }),
    'decryption-key': list('Key needed to decrypt the image (e.g. /path/to/key.pem)', { complete: 'files' }),
    policy: textOr('always', 'Pull image policy ("always"|"missing"|"never"|"newer")', { options: ['always', 'missing', 'never', 'newer', 'ifnewer'] }),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(Pull)
    if (flags['decryption-key'].length > 0) {
      throw new TpodError('ENCRYPTION_UNSUPPORTED', 'pull --decryption-key: this version cannot decrypt images', { remedy: 'leave it away for images that are not encrypted, or decrypt with skopeo copy' })
    }
    const platform = wantedPlatform(flags)
    const engine = await this.openEngine()
    const { pullImages } = await import('../../libpod/images/transfer.ts')
    const columns = terminalColumns(2)
    const outcomes: Outcome[] = []
    for (const name of image) {
      const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
      try {
        const pulled = await pullImages(engine, name, {
          policy: pullPolicy(flags.policy), signal: this.signal, onProgress: progress.onProgress, allTags: flags['all-tags'],
          ...transferOptions(flags, this.given),
          ...(platform === undefined ? {} : { platform }),
        })
        progress.finish()
        for (const id of new Set(pulled.map((each) => each.image.id))) printLine(id)
      } catch (error) {
        progress.finish()
        outcomes.push({ input: name, error: error instanceof Error ? error : new Error(String(error)) })
        if (this.signal.aborted) break
      }
    }
    return this.report(outcomes)
  }
}
