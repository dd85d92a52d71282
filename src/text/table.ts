/** Columns as Go's text/tabwriter sets them, with the parameters podman (12, 2) and docker (10, 3) use. */

export interface TableOptions {
  /** Smallest width of a column, its padding included; 12 where absent. */
  minColumnWidth?: number
  /** Spaces after the widest cell of a column; 2 where absent. */
  padding?: number
  /** Lines longer than this have their widest cells cut (`…`); absent: no limit. */
  maxWidth?: number
}

function width(text: string): number {
  let count = 0
  for (const _ of text) count++
  return count
}

function truncate(text: string, limit: number): string {
  if (width(text) <= limit) return text
  return limit < 1 ? '' : `${[...text].slice(0, limit - 1).join('')}…`
}

/** Takes from the widest column, one by one, until the line fits; no column gets narrower than 4. */
function limitWidths(widths: number[], padding: number, maxWidth: number): void {
  const total = (): number => widths.reduce((sum, cell) => sum + cell, 0) + padding * (widths.length - 1)
  while (total() > maxWidth) {
    const widest = widths.indexOf(Math.max(...widths))
    if ((widths[widest] ?? 0) <= 4) return
    widths[widest] = (widths[widest] ?? 0) - 1
  }
}

/**
 * Rows to lines, without line ends. The last cell of a row is not padded. Rows may differ in length; control
 * characters in cells (a hostile label) are shown as `?`, so that a cell stays one cell.
 */
export function formatTable(rows: readonly (readonly string[])[], options: TableOptions = {}): string[] {
  const padding = options.padding ?? 2
  const minimum = options.minColumnWidth ?? 12
  const clean = rows.map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, '?')))
  const columns = Math.max(0, ...clean.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, column) => Math.max(...clean.map((row) => width(row[column] ?? ''))))
  if (options.maxWidth !== undefined) limitWidths(widths, padding, options.maxWidth)
  const floor = options.maxWidth === undefined ? minimum : 0
  return clean.map((row) =>
    row
      .map((cell, column) => {
        const cut = options.maxWidth === undefined ? cell : truncate(cell, widths[column] ?? 0)
        if (column === row.length - 1) return cut
        return cut + ' '.repeat(Math.max((widths[column] ?? 0) + padding, floor) - width(cut))
      })
      .join(''),
  )
}
