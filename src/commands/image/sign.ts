import { args, bool, text } from '../../cli/options.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

export default class ImageSign extends TransportCommand {
  static override summary = 'Sign an image'
  static override description = 'Create a signature file that can be used later to verify the image.\n\nThe image is named with its transport, as in docker://registry.example.com/name. The signature is stored where registries.d says (lookaside-staging, else lookaside), or in --directory.'
  static override usage = '[options] IMAGE [IMAGE...]'
  static override examples = ['tpod image sign --sign-by mykey docker://registry.example.com/name:tag', 'tpod image sign --sign-by mykey --directory ./mykeydir docker://registry.example.com/name:tag']
  static override args = { image: args('image', 'transport:name of the images', { required: true, complete: 'none' }) }
  static override flags = {
    all: bool('Sign all the manifests of the multi-architecture image', { char: 'a' }),
    authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    'cert-dir': text('Pathname of a directory containing TLS certificates and keys', { value: 'Pathname', complete: 'directories' }),
    directory: text('Define an alternate directory to store signatures', { char: 'd', complete: 'directories' }),
    'sign-by': text('Name of the signing key'),
  }

  async run(): Promise<void> {
    const { args: { image }, flags } = await this.parse(ImageSign)
    if (!flags['sign-by']) throw this.usageError('please provide an identity')
    const context = this.transportContext({})
    const { signImages } = await import('../../libpod/images/trust.ts')
    await signImages(context, image, {
      signBy: flags['sign-by'], env: this.context.env, all: flags.all, endpoint: this.endpoint(context, flags, ''),
      ...(flags.directory ? { directory: flags.directory } : {}),
    })
  }
}
