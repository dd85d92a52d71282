import { BaseCommand } from '../../cli/base-command.ts'
import { bool, textOr } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'
import { ExitCode } from '../../errors/exit-codes.ts'
import type { Finding } from '../../debug/doctor/types.ts'

export default class Doctor extends BaseCommand {
  static override summary = 'Check what this machine has and lacks for running containers'
  static override description = 'Looks at runtime, monitor, cgroups, storage, network, user ids and configuration. Each finding comes with the exact fix.\nThe exit code is 1 when something fails that containers need.'
  static override examples = ['tpod doctor', 'tpod doctor --all', 'tpod doctor --format json']
  static override flags = {
    all: bool('Show what is in order too', { char: 'a' }),
    format: textOr('text', 'Output as "text" or "json"', { options: ['text', 'json'] }),
  }

  async run(): Promise<number> {
    const { flags } = await this.parse(Doctor)
    const { doctorFindings } = await import('../../cli/doctor-context.ts')
    const findings = await doctorFindings(this.globals, this.context)
    if (flags.format === 'json') printLine(JSON.stringify(findings, null, 4))
    else writeOut(renderFindings(findings, flags.all))
    return findings.some(({ status }) => status === 'fail') ? ExitCode.notFound : ExitCode.ok
  }
}

const marks = { ok: '✓', warn: '!', fail: '✗' } as const

function renderFindings(findings: readonly Finding[], all: boolean): string {
  const shown = findings.filter(({ status }) => all || status !== 'ok')
  const count = (status: Finding['status']): number => findings.filter((finding) => finding.status === status).length
  const blocks = shown.map(({ status, id, summary, detail, fix }) => [
    `${marks[status]} ${id}: ${summary}`,
    ...detail === '' ? [] : detail.split('\n').map((line) => `    ${line}`),
    ...fix === '' ? [] : fix.split('\n').map((line, index) => `    ${index === 0 ? 'fix: ' : '     '}${line}`),
  ].join('\n'))
  const total = `${count('ok')} in order, ${count('warn')} to look at, ${count('fail')} failing`
  return `${[...blocks, total].join('\n')}\n`
}
