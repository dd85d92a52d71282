/** How `history` shows a step: podman's template fields and JSON. */
import type { HistoryStep } from '../image/local/history.ts'
import { formatHumanDuration } from '../text/duration.ts'
import { formatSizeSpaced } from '../text/units.ts'

export const historyHeaders = { CreatedBy: 'CREATED BY' }

/** Go's zero time, which podman shows where an image tells none. */
const noTime = '0001-01-01T00:00:00Z'
const longestCommand = 45

export function historyRow(step: HistoryStep, { human, noTrunc, nowMs }: { human: boolean; noTrunc: boolean; nowMs: number }) {
  const created = step.created ?? noTime
  const time = Date.parse(created) || 0
  const shown = human ? `${formatHumanDuration(nowMs - time)} ago` : withoutFraction(created)
  const command = step.createdBy.replace(/\p{Cc}/gu, ' ')
  const row = {
    ID: noTrunc ? step.id : step.id.slice(0, 12), Created: shown, CreatedSince: shown, CreatedAt: `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} +0000 UTC`,
    CreatedBy: noTrunc || command.length <= longestCommand ? command : `${command.slice(0, longestCommand - 3)}...`,
    Size: formatSizeSpaced(step.sizeBytes), Comment: step.comment.replace(/\p{Cc}/gu, ' '), Tags: step.tags,
  }
  if (step.id === '<missing>') row.ID = step.id
  return row
}

/** One line, as podman encodes it: safe within HTML. */
export function historyJson(steps: readonly HistoryStep[]): string {
  return JSON.stringify(steps.map(jsonStep)).replace(/[<>&]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
}

function jsonStep({ id, created = noTime, createdBy, sizeBytes, comment, tags }: HistoryStep): Record<string, unknown> {
  return {
    id, created,
    ...(createdBy === '' ? {} : { CreatedBy: createdBy }),
    ...(tags.length === 0 ? {} : { tags }),
    size: sizeBytes,
    ...(comment === '' ? {} : { comment }),
    Created: withoutFraction(created),
  }
}

function withoutFraction(time: string): string {
  return time.replace(/\.\d+(?=Z|[+-])/, '')
}
