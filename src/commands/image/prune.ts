import { BaseCommand } from '../../cli/base-command.ts'
import { confirm } from '../../cli/confirm.ts'
import { bool, list } from '../../cli/options.ts'
import { printLine, writeOut } from '../../cli/output.ts'
import type { PruneReport } from '../../libpod/images/local.ts'

export default class ImagePrune extends BaseCommand {
  static override summary = 'Remove unused images'
  static override description = 'Removes dangling or unused images from local storage.\n\nThe command prompts for confirmation which can be overridden with the --force flag. With --dry-run it removes nothing, and prints what would go. Without --filter it also removes what interrupted pulls and removals have left.'
  static override examples = ['tpod image prune', 'tpod image prune --all --dry-run', 'tpod image prune --force --filter until=24h']
  static override flags = {
    all: bool('Remove all images not in use by containers, not just dangling ones', { char: 'a' }),
    'build-cache': bool('Remove persistent build cache created by --mount=type=cache'),
    'dry-run': bool('Remove nothing: print the images that would go, and the bytes that each would free'),
    external: bool('Remove images even when they are used by external containers (e.g., by build containers)'),
    filter: list("Provide filter values (e.g. 'label=<key>=<value>')"),
    force: bool('Do not prompt for confirmation', { char: 'f' }),
  }

  async run(): Promise<number> {
    const { flags } = await this.parse(ImagePrune)
    const warning = flags.all ? 'WARNING! This command removes all images without at least one container associated with them.' : 'WARNING! This command removes all dangling images.'
    if (!flags.force && !flags['dry-run'] && !confirm(warning)) return 0
    const engine = await this.openEngine()
    const { pruneImages } = await import('../../libpod/images/local.ts')
    const report = await pruneImages(engine, {
      all: flags.all, external: flags.external, filters: flags.filter, dryRun: flags['dry-run'], buildCache: flags['build-cache'], signal: this.signal,
    })
    if (flags['dry-run']) await printPlan(report)
    else for (const { value } of report.images) if (value !== undefined) printLine(value.id)
    return this.report(report.images.filter(({ error }) => error !== undefined))
  }
}

async function printPlan({ images, buildCache }: PruneReport): Promise<void> {
  const [{ alignColumns }, { formatSizeSpaced }] = await Promise.all([import('../../cli/format.ts'), import('../../text/units.ts')])
  const rows = images.flatMap(({ value }) => (value === undefined ? [] : [[value.id.slice(0, 12), formatSizeSpaced(value.freedBytes), value.names.join(', ') || '<none>']]))
  if (buildCache !== undefined) rows.push(['build cache', formatSizeSpaced(buildCache.freedBytes), buildCache.path])
  const total = images.reduce((sum, { value }) => sum + (value?.freedBytes ?? 0), buildCache?.freedBytes ?? 0)
  if (rows.length > 0) writeOut(alignColumns([['IMAGE ID', 'FREES', 'NAMES'], ...rows].map((row) => `${row.join('\t')}\n`).join('')))
  printLine(`Total space that would be reclaimed: ${formatSizeSpaced(total)}`)
}
