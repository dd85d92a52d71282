import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, integer, text } from '../../cli/options.ts'
import { writeError, writeOut } from '../../cli/output.ts'
import { parseTimeFlag } from '../../cli/parse-time.ts'
import { latestFlag, selectContainers } from '../../cli/select-containers.ts'
import type { ContainerLogRecord } from '../../libpod/container/container-logs.ts'

export default class Logs extends BaseCommand {
  static override summary = 'Fetch the logs of one or more containers'
  static override description = 'Retrieves logs for one or more containers.\n\nThis does not guarantee execution order when combined with tpod run (i.e., your run may not have generated any logs at the time you execute tpod logs).'
  static override examples = ['tpod logs ctrID', 'tpod logs --names ctrID1 ctrID2', 'tpod logs --tail 2 mywebserver', 'tpod logs --follow=true --since 10m ctrID']
  static override args = { container: args('container', 'names or ids', { complete: 'containers' }) }
  static override flags = {
    color: bool('Output the containers with different colors in the log.'),
    follow: bool('Follow log output.  The default is false', { char: 'f' }),
    ...latestFlag,
    names: bool('Output the container name in the log', { char: 'n' }),
    since: text('Show logs since TIMESTAMP'),
    tail: integer('Output the specified number of LINES at the end of the logs.  Defaults to -1, which prints all lines', { default: -1 }),
    timestamps: bool('Output the timestamps in the log', { char: 't' }),
    until: text('Show logs until TIMESTAMP'),
  }

  async run(): Promise<void> {
    const { args: { container }, flags } = await this.parse(Logs)
    const engine = await this.openEngine()
    const names = await selectContainers(engine, { names: container, latest: flags.latest })
    const { containerLogs } = await import('../../libpod/container/container-logs.ts')
    const nowMs = Date.now()
    const records = containerLogs(engine, names, {
      follow: flags.follow, signal: this.signal,
      ...(flags.tail === undefined ? {} : { tail: flags.tail }),
      ...(flags.since === undefined ? {} : { sinceMs: parseTimeFlag('since', flags.since, nowMs) }),
      ...(flags.until === undefined ? {} : { untilMs: parseTimeFlag('until', flags.until, nowMs) }),
    })
    const print = logPrinter({ ...flags, several: names.length > 1 })
    for await (const record of records) print(record)
  }
}

const colors = [37, 31, 32, 33, 34, 35, 36]

/** podman's prefixes: id (or name) when asked for or several are shown, then the time. A continued line gets none. */
function logPrinter(options: { names: boolean; timestamps: boolean; color: boolean; several: boolean }): (record: ContainerLogRecord) => void {
  const open = new Set<string>()
  const seen: string[] = []
  return (record) => {
    const stream = `${record.id}/${record.stream}`
    if (!seen.includes(record.id)) seen.push(record.id)
    const label = options.names ? record.name : options.several ? record.id.slice(0, 12) : ''
    const prefix = open.has(stream) ? '' : [label, options.timestamps ? record.time : ''].filter(Boolean).map((word) => `${word} `).join('')
    if (record.isPartial) open.add(stream)
    else open.delete(stream)
    const line = `${prefix}${record.text}${record.isPartial ? '' : '\n'}`
    const color = colors[seen.indexOf(record.id) % colors.length]
    const shown = options.color ? `\x1b[${color}m${line.replace(/\n$/, '')}\x1b[0m${line.endsWith('\n') ? '\n' : ''}` : line
    if (record.stream === 'stderr') writeError(shown)
    else writeOut(shown)
  }
}
