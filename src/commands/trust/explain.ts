import { authfileFlag, endpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { formatJson } from '../../cli/format.ts'
import { arg, bool, text } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { explanationText } from '../../cli/trust-view.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class TrustExplain extends TransportCommand {
  static override summary = 'Explain which rule decides whether an image is trusted, and why'
  static override description = 'Explain which rule of policy.json decides about an image, and what it requires. Nothing is pulled and nobody is asked; with --verify the image\'s signatures are fetched, and it is said of each whether it is accepted and why.\n\nThe exit status is 1 if the image is rejected.'
  static override usage = '[options] IMAGE'
  static override examples = ['tpod trust explain quay.io/podman/stable', 'tpod trust explain --verify docker://registry.example.com/app:1', 'tpod trust explain --format json oci:/srv/images:app']
  static override args = { image: arg('image', 'a name as pull takes it, or transport:name', { required: true, complete: 'images' }) }
  static override flags = {
    ...authfileFlag, ...endpointFlags(''), ...transportRetryFlags, ...transportFlags,
    format: text('Change the output format to JSON', { options: ['json', 'text'] }),
    verify: bool("Fetch the image's signatures and verify each"),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(TrustExplain)
    const context = this.transportContext(flags)
    const { explainImage } = await import('../../libpod/images/trust.ts')
    if (image === undefined) throw new TpodError('USAGE', 'an image is required')
    const explained = await explainImage(context, image, { verify: flags.verify, endpoint: this.endpoint(context, flags, '') })
    if (flags.format === 'json') printLine(formatJson(explained))
    else writeOut(explanationText(explained))
    return explained.allowed === false ? 1 : 0
  }
}
