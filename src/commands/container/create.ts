import { BaseCommand } from '../../cli/base-command.ts'
import { createFlags, createRequest } from '../../cli/create-request.ts'
import { arg, args } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'

export default class Create extends BaseCommand {
  static override summary = 'Create but do not start a container'
  static override description = "Creates a new container from the given image or storage and prepares it for running the specified command.\n\nThe container ID is then printed to stdout. You can then start it at any time with the tpod start <container_id> command. The container will be created with the initial state 'created'."
  static override usage = '[options] IMAGE [COMMAND [ARG...]]'
  static override examples = ['tpod create alpine ls', 'tpod create --annotation HELLO=WORLD alpine ls', 'tpod create -t -i --name myctr alpine ls']
  static override passthrough = true
  static override args = { image: arg('image', 'image', { required: true, complete: 'images' }), command: args('command', 'command and its words') }
  static override flags = createFlags

  async run(): Promise<void> {
    const { args: { image, command }, flags } = await this.parse(Create)
    const engine = await this.openEngine()
    const { spec, options, progress } = await createRequest({
      flags, given: this.given, image: image as string, command, engine, env: this.context.env, signal: this.signal,
    })
    const { createContainer } = await import('../../libpod/container/create-container.ts')
    const { id } = await createContainer(engine, spec, options).finally(() => progress.finish())
    printLine(id)
  }
}
