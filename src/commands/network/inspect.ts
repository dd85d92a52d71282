import { BaseCommand } from '../../cli/base-command.ts'
import { findNetworkView } from '../../cli/network-view.ts'
import { args, textOr } from '../../cli/options.ts'
import { actOnEach } from '../../cli/select-containers.ts'

export default class NetworkInspect extends BaseCommand {
  static override summary = 'Inspect network'
  static override description = 'Displays the network configuration for one or more networks.'
  static override examples = ['tpod network inspect podman', "tpod network inspect --format '{{range .subnets}}{{.subnet}}{{end}}' podman"]
  static override args = { network: args('network', 'names', { required: true, complete: 'networks' }) }
  static override flags = { format: textOr('json', 'Pretty-print network to JSON or using a Go template', { char: 'f' }) }

  async run(): Promise<number> {
    const { args: { network }, flags } = await this.parse(NetworkInspect)
    const networks = await (await (await this.openEngine()).network()).list()
    const outcomes = await actOnEach(network, async (name) => findNetworkView(networks, name))
    return this.reportObjects(outcomes, flags.format)
  }
}
