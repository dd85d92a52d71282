import { authfileFlag, deprecatedTlsFlag, destinationFlags, destinationOptions, endpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { copyFlags, copyRequest, encryptionFlags, refuseEncryption, signFlags } from '../../cli/flags/copy.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args, bool, text, uint } from '../../cli/options.ts'
import { writeError } from '../../cli/output.ts'
import { pullProgress } from '../../cli/progress.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import type { PullProgress } from '../../image/progress.ts'

export default class ImageCopy extends TransportCommand {
  static override summary = 'Copy an image from one place to another'
  static override description = `Container "IMAGE-NAME" uses a "transport":"details" format.

Supported transports:
containers-storage, dir, docker, docker-archive, docker-daemon, oci, oci-archive, tarball`
  static override usage = '[options] SOURCE-IMAGE DESTINATION-IMAGE'
  static override examples = ['tpod image copy docker://quay.io/skopeo/stable:latest docker://registry.example.com/skopeo:latest', 'tpod image copy --all docker://docker.io/alpine:3 oci:/srv/images:alpine']
  static override args = { image: args('image', 'transport:name of the source and of the destination') }
  static override flags = {
    ...authfileFlag, ...deprecatedTlsFlag, ...endpointFlags('src-', 'screds'), ...destinationFlags, ...transportRetryFlags,
    ...copyFlags, ...signFlags, ...encryptionFlags, ...transportFlags,
    digestfile: text('Write the digest of the pushed image to the specified file', { complete: 'files' }),
    'image-parallel-copies': uint('Maximum number of image layers to be copied (pulled/pushed) simultaneously. Not setting this field will fall back to the defaults of the transports.'),
    'multi-arch': text('How to handle multi-architecture images (system, all, or index-only)'),
    quiet: bool('Suppress output information when copying images', { char: 'q' }),
    'sign-identity': text('Identity of signed image, must be a fully specified docker reference. Defaults to the target docker reference.'),
  }

  async run(): Promise<void> {
    const { args: words, flags } = await this.parse(ImageCopy)
    const [from, to] = this.exactly(words.image, 2, 'Exactly two arguments expected') as [string, string]
    if (this.given.has('tls-verify')) await this.warnUser("'--tls-verify' is deprecated, instead use: --src-tls-verify, --dest-tls-verify")
    refuseEncryption(flags)
    const context = this.transportContext(flags)
    const source = this.endpoint(context, flags, 'src-')
    const destination = { ...this.endpoint(context, flags, 'dest-'), ...destinationOptions(flags) }
    for (const name of ['dest-compress', 'dest-decompress']) {
      if (flags[name] === true && !to.startsWith('dir:')) await this.warnUser(`--${name} can only be used if the destination transport is 'dir'`)
    }
    const columns = terminalColumns(2)
    const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
    let hasBegun = flags.quiet
    const onProgress = (event: PullProgress): void => {
      if (!hasBegun && (event.type === 'blob' || event.type === 'manifest')) writeError('Getting image source signatures\n')
      hasBegun ||= event.type === 'blob' || event.type === 'manifest'
      progress.onProgress(event)
    }
    const { copyBetween } = await import('../../image/copy/copy-between.ts')
    try {
      await copyBetween(context, from, to, {
        source, destination, ...copyRequest(flags), signContext: this.signContext(), signal: this.signal, onProgress,
        ...(flags['multi-arch'] === undefined ? {} : { multiArch: flags['multi-arch'] }),
        ...(flags['image-parallel-copies'] ? { parallelLayers: flags['image-parallel-copies'] } : {}),
        ...(flags['sign-identity'] === undefined ? {} : { signIdentity: flags['sign-identity'] }),
        ...(flags.digestfile === undefined ? {} : { digestFile: flags.digestfile }),
      })
      progress.finish()
      if (!flags.quiet) writeError('Storing signatures\n')
    } finally {
      progress.finish()
    }
  }
}
