import { authfileFlag, endpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { TransportCommand } from '../../cli/transport-command.ts'

/** `skopeo inspect`; `tpod image inspect` hands names with a transport to it. */
export default class InspectRemote extends TransportCommand {
  static override summary = 'Inspect an image where it lies, without pulling it'
  static override description = `Return low-level information about "IMAGE-NAME" in a registry/transport
Supported transports:
containers-storage, dir, docker, docker-archive, docker-daemon, oci, oci-archive, tarball`
  static override usage = '[options] IMAGE-NAME'
  static override examples = ['skopeo inspect docker://registry.fedoraproject.org/fedora', 'skopeo inspect --config docker://docker.io/alpine', 'skopeo inspect --format "Name: {{.Name}} Digest: {{.Digest}}" docker://registry.access.redhat.com/ubi8']
  static override args = { image: args('image', 'transport:name') }
  static override flags = {
    ...authfileFlag, ...endpointFlags(''), ...transportRetryFlags, ...transportFlags,
    config: bool('output configuration'),
    format: textOr('', 'Format the output to a Go template', { char: 'f' }),
    'no-tags': bool('Do not list the available tags from the repository in the output', { char: 'n' }),
    raw: bool('output raw manifest or configuration'),
  }

  async run(): Promise<void> {
    const { args: words, flags } = await this.parse(InspectRemote)
    const [name] = this.exactly(words.image, 1, 'Exactly one argument expected') as [string]
    const context = this.transportContext(flags)
    const { printRemoteInspect } = await import('../../cli/remote-inspect.ts')
    const endpoint = this.endpoint(context, flags, '')
    const warnings: string[] = []
    await printRemoteInspect(context, name, { raw: flags.raw, config: flags.config, noTags: flags['no-tags'], format: flags.format, endpoint, onWarning: (text) => warnings.push(text) })
    for (const text of warnings) await this.warnUser(text)
  }
}
