import { authfileFlag, registryEndpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { formatJson } from '../../cli/format.ts'

export default class ListTags extends TransportCommand {
  static override summary = 'List the tags of a repository, or the names in a docker archive'
  static override description = `Return the list of tags from the transport/repository "SOURCE-IMAGE"

Supported transports:
docker docker-archive`
  static override usage = '[options] SOURCE-IMAGE'
  static override examples = ['tpod image list-tags docker://docker.io/fedora', 'tpod image list-tags docker-archive:images.tar']
  static override args = { image: args('image', 'docker://REPOSITORY or docker-archive:PATH') }
  static override flags = { ...authfileFlag, ...registryEndpointFlags(''), ...transportRetryFlags, ...transportFlags }

  async run(): Promise<void> {
    const { args: words, flags } = await this.parse(ListTags)
    const [name] = this.exactly(words.image, 1, 'Exactly one non-option argument expected') as [string]
    const context = this.transportContext(flags)
    const { listImageTags } = await import('../../image/remote/list-image-tags.ts')
    printLine(formatJson(await listImageTags(context, name, this.endpoint(context, flags, ''))))
  }
}
