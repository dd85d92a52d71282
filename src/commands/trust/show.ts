import { BaseCommand } from '../../cli/base-command.ts'
import { alignColumns } from '../../cli/format.ts'
import { arg, bool, text } from '../../cli/options.ts'
import { printLine, printWarning, writeOut } from '../../cli/output.ts'

export default class TrustShow extends BaseCommand {
  static override summary = 'Display trust policy for the system'
  static override description = 'Display trust policy for the system: one line for each requirement. With REGISTRY: the rules of that registry, namespace or repository, or the one that decides about it.'
  static override usage = '[options] [REGISTRY]'
  static override examples = ['tpod image trust show', 'tpod image trust show --json', 'tpod image trust show quay.io']
  static override args = { registry: arg('registry', 'host, namespace or repository', { complete: 'none' }) }
  static override flags = {
    json: bool('Output as json', { char: 'j' }),
    noheading: bool('Do not print column headings', { char: 'n' }),
    policypath: text('Path of the policy file', { hidden: true, complete: 'files' }),
    raw: bool('Output raw policy file'),
    registrypath: text('Path of registries.d', { hidden: true, complete: 'directories' }),
  }

  async run(): Promise<void> {
    const { args: { registry }, flags } = await this.parse(TrustShow)
    const { showTrust } = await import('../../libpod/images/trust.ts')
    const { raw, rows } = await showTrust(this.context.env, {
      signal: this.signal, onWarning: printWarning, rawOnly: flags.raw,
      ...(registry === undefined ? {} : { registry }),
      ...(flags.policypath ? { policyPath: flags.policypath } : {}), ...(flags.registrypath ? { registriesDirectory: flags.registrypath } : {}),
    })
    if (flags.raw) {
      writeOut(raw)
      return writeOut('\n')
    }
    if (flags.json) return printLine(JSON.stringify(rows, undefined, 2))
    const lines = rows.map((row) => [row.transport, row.repo_name, row.type, row.gpg_id ?? '', row.sigstore ?? ''])
    writeOut(alignColumns([...flags.noheading ? [] : [['TRANSPORT', 'NAME', 'TYPE', 'ID', 'STORE']], ...lines].map((line) => `${line.join('\t')}\n`).join('')))
  }
}
