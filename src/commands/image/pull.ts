import { BaseCommand } from '../../cli/base-command.ts'
import { platformFlags, retryFlags, retryOptions } from '../../cli/flags/image-choice.ts'
import { wantedPlatform } from '../../cli/image-context.ts'
import { args, bool, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import type { Outcome } from '../../errors/outcome.ts'
import { imageContext } from '../../libpod/image-context.ts'

export default class Pull extends BaseCommand {
  static override summary = 'Pull an image from a registry'
  static override description = "Pulls an image from a registry and stores it locally.\n\nAn image can be pulled by tag or digest. If a tag is not specified, the image with the 'latest' tag is pulled."
  static override examples = ['tpod pull imageName', 'tpod pull fedora:latest', 'tpod pull --platform linux/arm64 docker.io/library/alpine']
  static override args = { image: args('image', 'references', { required: true, complete: 'images' }) }
  static override flags = {
    ...platformFlags, ...retryFlags,
    authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    'cert-dir': text('Pathname of a directory containing TLS certificates and keys', { value: 'Pathname', complete: 'directories' }),
    creds: text('Credentials (USERNAME:PASSWORD) to use for authenticating to a registry', { value: 'Credentials' }),
    quiet: bool('Suppress output information when pulling images', { char: 'q' }),
    'tls-verify': bool('Require HTTPS and verify certificates when contacting registries', { default: true }),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(Pull)
    const platform = wantedPlatform(flags)
    const engine = await this.openEngine()
    const context = imageContext(engine, { authFile: flags.authfile, credentials: flags.creds })
    const { pullImage } = await import('../../image/pull.ts')
    const columns = terminalColumns(2)
    const outcomes: Outcome[] = []
    for (const name of image) {
      const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
      try {
        const pulled = await pullImage(context, name.replace(/^docker:\/\//, ''), {
          policy: 'always', signal: this.signal, onProgress: progress.onProgress, ...retryOptions(flags),
          ...(platform === undefined ? {} : { platform }),
          ...(flags['cert-dir'] === undefined ? {} : { certDirectory: flags['cert-dir'] }),
          ...(this.given.has('tls-verify') ? { tlsVerify: flags['tls-verify'] } : {}),
        })
        progress.finish()
        printLine(pulled.image.id)
      } catch (error) {
        progress.finish()
        outcomes.push({ input: name, error: error instanceof Error ? error : new Error(String(error)) })
        if (this.signal.aborted) break
      }
    }
    return this.report(outcomes)
  }
}
