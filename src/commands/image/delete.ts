import { authfileFlag, endpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args, bool } from '../../cli/options.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

export default class ImageDelete extends TransportCommand {
  static override summary = 'Delete an image where it lies: on a registry, in a store'
  static override description = `Delete an "IMAGE_NAME" from a transport
Supported transports:
containers-storage, docker

A registry deletes manifests: all tags of the image's manifest go with it, unless --tag-only is given.`
  static override usage = '[options] IMAGE-NAME'
  static override examples = ['tpod image delete docker://registry.example.com/example/pause:latest', 'tpod image delete --tag-only docker://registry.example.com/example/pause:latest']
  static override args = { image: args('image', 'transport:name') }
  static override flags = {
    ...authfileFlag, ...endpointFlags(''), ...transportRetryFlags, ...transportFlags,
    'tag-only': bool('Delete the tag and keep the manifest with its other tags; fails where the registry cannot'),
  }

  async run(): Promise<void> {
    const { args: words, flags } = await this.parse(ImageDelete)
    const [name] = this.exactly(words.image, 1, 'Exactly one argument expected') as [string]
    const context = this.transportContext(flags)
    const { deleteImage } = await import('../../libpod/images/registry.ts')
    await deleteImage(context, name, { ...this.endpoint(context, flags, ''), tagOnly: flags['tag-only'] })
  }
}
