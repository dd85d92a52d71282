import { formatJson, renderList } from '../../cli/format.ts'
import { arg, bool, csv, integer, text } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import type { FoundImage, FoundTag } from '../../image/remote/search.ts'

interface Row {
  Index: string
  Name: string
  Description: string
  Stars: number
  Official: string
  Automated: string
  Tag: string
}

const descriptionWidth = 44
const emptyRow: Row = { Index: '', Name: '', Description: '', Stars: 0, Official: '', Automated: '', Tag: '' }
const fields = Object.keys(emptyRow)

export default class Search extends TransportCommand {
  static override summary = 'Search registry for image'
  static override description = 'Searches registries for a given image: a registry that stands before the first slash of the term, else all unqualified search registries.'
  static override usage = '[options] TERM'
  static override examples = ['tpod search --filter=is-official --limit 3 alpine', 'tpod search registry.fedoraproject.org/', 'tpod search --format "table {{.Index}} {{.Name}}" registry.fedoraproject.org/fedora', 'tpod search --list-tags --limit 100 docker.io/library/alpine']
  static override args = { term: arg('term', 'what to search for', { required: true, complete: 'none' }) }
  static override flags = {
    authfile: text('Path of the authentication file. Use REGISTRY_AUTH_FILE environment variable to override', { complete: 'files' }),
    'cert-dir': text('Pathname of a directory containing TLS certificates and keys', { value: 'Pathname', complete: 'directories' }),
    compatible: bool('List stars, official and automated columns (Docker compatibility)'),
    creds: text('Credentials (USERNAME:PASSWORD) to use for authenticating to a registry', { value: 'Credentials' }),
    filter: csv('Filter output based on conditions provided', { char: 'f' }),
    format: text('Change the output format to JSON or a Go template'),
    limit: integer('Limit the number of results', { default: 0 }),
    'list-tags': bool('List the tags of the input registry'),
    'no-trunc': bool('Do not truncate the output'),
    'tls-verify': bool('Require HTTPS and verify certificates when contacting registries', { default: true }),
  }

  async run(): Promise<void> {
    const { args: { term }, flags } = await this.parse(Search)
    if (flags['list-tags'] && flags.filter.length > 0) throw this.usageError('filters are not applicable to list tags result')
    if (flags.limit !== undefined && flags.limit < 0) throw new TpodError('BAD_FLAG', `--limit ${flags.limit}: want 0 (25 of each registry) or more`)
    const context = this.transportContext({})
    const endpoint = this.endpoint(context, flags, '')
    const { parseSearchFilters, searchImages, searchTags } = await import('../../image/remote/search.ts')
    const filter = parseSearchFilters(flags.filter)
    const options = { endpoint, ...(flags.limit ? { limit: flags.limit } : {}) }
    const isJson = flags.format === 'json'
    if (flags['list-tags']) {
      const tags = await searchTags(context, term as string, options)
      if (tags.length === 0) return
      if (isJson) return writeOut(`${formatJson(tagsByName(tags))}\n`)
      const tagRows = tags.map(({ index, name, tag }) => ({ ...emptyRow, Index: index, Name: name, Tag: tag }))
      return writeOut(await renderList(tagRows, { format: flags.format, defaultTemplate: 'table {{.Name}}\t{{.Tag}}', headers: {}, fields }, () => tagRows))
    }
    const found = await searchImages(context, term as string, { ...options, filter })
    if (found.length === 0) return
    const rows = found.map((image) => toRow(image, flags['no-trunc'] || isJson))
    const columns = flags.compatible ? '{{.Name}}\t{{.Description}}\t{{.Stars}}\t{{.Official}}\t{{.Automated}}' : '{{.Name}}\t{{.Description}}'
    writeOut(await renderList(rows, { format: flags.format, defaultTemplate: `table ${columns}`, headers: {}, fields }, () => rows))
  }
}

function toRow({ index, name, description, stars, isOfficial, isAutomated }: FoundImage, whole: boolean): Row {
  const short = !whole && description.length > descriptionWidth ? `${description.slice(0, descriptionWidth).trim()}...` : description
  return { Index: index, Name: name, Description: short, Stars: stars, Official: isOfficial ? '[OK]' : '', Automated: isAutomated ? '[OK]' : '', Tag: '' }
}

function tagsByName(tags: readonly FoundTag[]): { Name: string; Tags: string[] }[] {
  const byName = Map.groupBy(tags, ({ name }) => name)
  return [...byName].map(([Name, found]) => ({ Name, Tags: found.map(({ tag }) => tag) }))
}
