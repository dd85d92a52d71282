import type { InferredFlags } from '@oclif/core/interfaces'
import { BaseCommand } from '../../cli/base-command.ts'
import { psFields, psHeaders, psJson, sortKeys, sortRows } from '../../cli/container-view.ts'
import { renderList } from '../../cli/format.ts'
import { bool, csv, integer, text, textOr, uint } from '../../cli/options.ts'
import { printWarning, writeOut } from '../../cli/output.ts'
import type { ContainerRow, ListOptions } from '../../libpod/container/list-containers.ts'
import type { Engine } from '../../libpod/engine.ts'

const columns = '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}'
const namespaceColumns = '{{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.Cgroup}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t{{.User}}\t{{.UTS}}'

export default class Ps extends BaseCommand {
  static override summary = 'List containers'
  static override description = 'Prints out information about the containers'
  static override examples = ['tpod ps -a', 'tpod ps -a --format "{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}"', 'tpod ps --size --sort names']
  static override flags = {
    all: bool('Show all the containers, default is only running containers', { char: 'a' }),
    external: bool('Show containers in storage not controlled by tpod', { aliases: ['storage'] }),
    filter: csv('Filter output based on conditions given', { char: 'f' }),
    format: text('Pretty-print containers to JSON or using a Go template'),
    last: integer('Print the n last created containers (all states)', { char: 'n', default: -1 }),
    latest: bool('Show the latest container created (all states)', { char: 'l' }),
    'no-trunc': bool('Display the extended information'),
    noheading: bool('Do not print headers'),
    ns: bool('Display namespace information', { aliases: ['namespace'] }),
    pod: bool('Print the ID and name of the pod the containers are associated with', { char: 'p' }),
    quiet: bool('Print the numeric IDs of the containers only', { char: 'q' }),
    size: bool('Display the total file sizes', { char: 's' }),
    sort: textOr('created', `Sort output by: ${sortKeys.join(', ')}`, { options: sortKeys, value: 'choice' }),
    sync: bool('Sync container state with OCI runtime'),
    watch: uint('Watch the ps output on an interval in seconds', { char: 'w' }),
  }

  async run(): Promise<void> {
    const { flags } = await this.parse(Ps)
    if (flags.quiet && (flags.ns || flags.size)) throw this.usageError('quiet conflicts with size and namespace')
    if (flags.size && flags.ns) throw this.usageError('size and namespace options conflict')
    if ((flags.last ?? -1) >= 0 && flags.latest) throw this.usageError('last and latest are mutually exclusive')
    const engine = await this.openEngine()
    for (;;) {
      const page = await this.#page(engine, flags)
      writeOut(flags.watch === undefined ? page : `\x1b[2J\x1b[H${page}`)
      if (flags.watch === undefined) return
      const { setTimeout: sleep } = await import('node:timers/promises')
      await sleep(flags.watch * 1000, undefined, { signal: this.signal })
    }
  }

  async #page(engine: Engine, flags: InferredFlags<typeof Ps.flags>): Promise<string> {
    const { listContainers } = await import('../../libpod/container/list-containers.ts')
    const last = flags.latest ? 1 : flags.last ?? -1
    const wantsSize = flags.size || /\.Size\b/.test(flags.format ?? '')
    const options: ListOptions = { all: flags.all || last >= 0, external: flags.external, filters: flags.filter, size: wantsSize, onWarning: printWarning }
    const listed = await listContainers(engine, options)
    const rows = sortRows(last >= 0 ? listed.slice(0, last) : listed, flags.sort)
    if (flags.quiet) return rows.map((row) => `${flags['no-trunc'] ? row.id : row.id.slice(0, 12)}\n`).join('')
    const nowMs = Date.now()
    return renderList(await this.#fields(rows, flags['no-trunc'], flags.ns || /\.(Cgroup|IPC|MNT|NET|PIDNS|User|UTS)\b/.test(flags.format ?? '')), {
      format: flags.format, headers: psHeaders, noHeading: flags.noheading, defaultTemplate: defaultTemplate(flags),
    }, () => rows.map((row) => psJson(row, nowMs)))
  }

  async #fields(rows: readonly ContainerRow[], noTrunc: boolean, withNamespaces: boolean): Promise<object[]> {
    const nowMs = Date.now()
    const fields = rows.map((row) => psFields(row, { noTrunc, nowMs }))
    if (!withNamespaces) return fields
    const { readNamespaces } = await import('../../cli/namespaces.ts')
    return fields.map((item) => ({ ...item, ...readNamespaces(item.Pid) }))
  }
}

function defaultTemplate(flags: { ns: boolean; size: boolean; pod: boolean }): string {
  if (flags.ns) return `table ${namespaceColumns}`
  return `table ${columns}${flags.pod ? '\t{{.Pod}}\t{{.PodName}}' : ''}${flags.size ? '\t{{.Size}}' : ''}`
}
