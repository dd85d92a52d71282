import { BaseCommand } from '../../cli/base-command.ts'
import { renderList } from '../../cli/format.ts'
import { filterNetworks, networkView } from '../../cli/network-view.ts'
import { bool, list, text } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'

export default class NetworkLs extends BaseCommand {
  static override summary = 'network list'
  static override description = 'List networks'
  static override examples = ['tpod network ls', "tpod network ls --format '{{.Name}}\\t{{.Driver}}'", 'tpod network ls --quiet']
  static override flags = {
    filter: list("Provide filter values (e.g. 'name=podman')", { char: 'f' }),
    format: text('Pretty-print networks to JSON or using a Go template'),
    'no-trunc': bool('Do not truncate the network ID'),
    noheading: bool('Do not print headers', { char: 'n' }),
    quiet: bool('display only names', { char: 'q' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(NetworkLs)
    const manager = await (await this.openEngine()).network()
    const networks = filterNetworks(await manager.list(), flags.filter).map(networkView)
    const rows = networks.map((view) => ({
      ID: flags['no-trunc'] ? view.id : view.id.slice(0, 12), Name: view.name, Driver: view.driver,
      NetworkInterface: view.network_interface, Subnets: view.subnets, Labels: '', Options: '', DNSEnabled: view.dns_enabled, IPv6Enabled: view.ipv6_enabled, Internal: view.internal,
    }))
    writeOut(await renderList(rows, {
      format: flags.quiet ? '{{.Name}}' : flags.format,
      defaultTemplate: 'table {{.ID}}\t{{.Name}}\t{{.Driver}}', headers: { ID: 'NETWORK ID' }, noHeading: flags.noheading,
    }, () => networks))
  }
}
