import { BaseCommand } from '../../cli/base-command.ts'
import { arg, bool } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { latestContainer, latestFlag } from '../../cli/select-containers.ts'

export default class Port extends BaseCommand {
  static override summary = 'List port mappings or a specific mapping for the container'
  static override description = 'List port mappings for the CONTAINER, or look up the public-facing port that is NAT-ed to the PRIVATE_PORT'
  static override usage = '[options] CONTAINER [PORT]'
  static override examples = ['tpod port --all', 'tpod port ctrID 80/tcp', 'tpod port --latest 80']
  static override args = { container: arg('container', 'name or id', { complete: 'running-containers' }), port: arg('port', 'port inside the container') }
  static override flags = { all: bool('Display port information for all containers', { char: 'a' }), ...latestFlag }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(Port)
    if (!flags.all && !flags.latest && args.container === undefined) throw this.usageError('you must supply a running container name or id')
    if (flags.all && (flags.latest || args.container !== undefined)) throw this.usageError('no additional arguments can be used with --all')
    const engine = await this.openEngine()
    const { containerPorts } = await import('../../libpod/container/container-ports.ts')
    if (flags.all) {
      const { listContainers } = await import('../../libpod/container/list-containers.ts')
      for (const { id } of await listContainers(engine)) {
        for (const port of await containerPorts(engine, id)) printLine(`${id.slice(0, 12)}\t${mapping(port)}`)
      }
      return
    }
    const name = flags.latest ? latestContainer(engine) : args.container as string
    const only = flags.latest ? args.container : args.port
    for (const port of await containerPorts(engine, name, only)) printLine(only === undefined ? mapping(port) : `${port.hostIp}:${port.hostPort}`)
  }
}

function mapping(port: { containerPort: number; protocol: string; hostIp: string; hostPort: number }): string {
  return `${port.containerPort}/${port.protocol} -> ${port.hostIp}:${port.hostPort}`
}
