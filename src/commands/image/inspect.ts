import { authfileFlag, endpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args, bool, textOr } from '../../cli/options.ts'
import { actOnEach } from '../../cli/select-containers.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { errorCode } from '../../errors/tpod-error.ts'
import { registriesOf } from '../../libpod/image-context.ts'
import { transportOf } from '../../image/transports/image-name.ts'

export default class ImageInspect extends TransportCommand {
  static override summary = 'Display the configuration of an image'
  static override description = 'Displays the low-level information of an image identified by name or ID.\n\nA name with a transport (docker://HOST/PATH:TAG, oci:PATH, …) is looked at where it lies, without pulling, and shown as skopeo shows it.'
  static override examples = ['tpod image inspect alpine', 'tpod image inspect --format "imageId: {{.Id}} size: {{.Size}}" alpine', 'tpod image inspect docker://docker.io/library/alpine:3', 'tpod image inspect --raw docker://docker.io/library/alpine:3']
  static override args = { image: args('image', 'names or ids, or transport:name', { required: true, complete: 'images' }) }
  static override flags = {
    ...authfileFlag, ...endpointFlags(''), ...transportRetryFlags, ...transportFlags,
    config: bool("Of a name with a transport: the image's configuration"),
    format: textOr('json', 'Format the output to a Go template or json', { char: 'f' }),
    'no-tags': bool("Of a name with a transport: don't ask the registry for its tags", { char: 'n' }),
    raw: bool('Of a name with a transport: the manifest, or with --config the configuration, byte for byte'),
  }

  async run(): Promise<number> {
    const { args: { image }, flags } = await this.parse(ImageInspect)
    const isRemoteAsked = flags.raw || flags.config || flags['no-tags']
    const isRemote = (name: string): boolean => isRemoteAsked || name.startsWith('docker://') || name.startsWith('containers-storage:')
    const local = image.every(isRemote) ? undefined : await this.openEngine()
    const outcomes = await actOnEach(image, async (name) => {
      if (local === undefined || isRemote(name)) return this.#showRemote(name, flags)
      try {
        const { inspectImage } = await import('../../image/local/inspect.ts')
        return await inspectImage(local.store, registriesOf(local), name)
      } catch (error) {
        // `oci:latest` may be a local image: only then is it a place.
        if (errorCode(error) !== 'NO_SUCH_IMAGE' && errorCode(error) !== 'BAD_REFERENCE') throw error
        if (transportOf(name) === undefined) throw error
        return this.#showRemote(name, flags)
      }
    })
    const shown = outcomes.filter(({ value, error }) => value !== undefined || error !== undefined)
    return shown.length === 0 ? 0 : this.reportObjects(shown, flags.format)
  }

  /** Prints what was found; undefined. */
  async #showRemote(name: string, flags: Record<string, unknown>): Promise<undefined> {
    const context = this.transportContext(flags)
    const { printRemoteInspect } = await import('../../cli/remote-inspect.ts')
    await printRemoteInspect(context, name, {
      raw: flags['raw'] === true, config: flags['config'] === true, noTags: flags['no-tags'] === true,
      format: this.given.has('format') ? String(flags['format']) : '', endpoint: this.endpoint(context, flags, ''),
      onWarning: (text) => { void this.warnUser(text) },
    })
  }
}
