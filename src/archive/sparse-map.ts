/** GNU sparse files: where the stored pieces of a file with holes belong. */
import { parseDecimal } from './pax.ts'
import type { PaxRecords } from './pax.ts'
import { invalidArchive, numberField } from './tar-header.ts'
import { tarLimits } from './tar-entry.ts'
import type { SparseRun } from './tar-entry.ts'

/** Which pax sparse form the records announce, if any. */
export function paxSparseVersion(records: PaxRecords): '0.x' | '1.0' | undefined {
  const version = `${records.get('GNU.sparse.major') ?? ''}.${records.get('GNU.sparse.minor') ?? ''}`
  if (version === '1.0') return '1.0'
  if (version === '0.0' || version === '0.1') return '0.x'
  if (version !== '.') return undefined
  return records.get('GNU.sparse.map') === undefined ? undefined : '0.x'
}

/** The map of sparse 0.0 and 0.1, held in the pax records. */
export function parsePaxSparseMap(records: PaxRecords): SparseRun[] {
  const count = parseDecimal(records.get('GNU.sparse.numblocks') ?? '', 'number of sparse blocks')
  const text = records.get('GNU.sparse.map') ?? ''
  const numbers = text === '' ? [] : text.split(',')
  if (numbers.length !== count * 2) throw invalidArchive('the pax sparse map has a wrong length')
  return pairUp(numbers)
}

/** Reads the map of sparse 1.0: decimal lines in the first blocks of the content, padded to a block. */
export class SparseTextMap {
  private pending = ''
  private numbers: string[] = []
  private expected = -1
  private readBytes = 0

  /** Takes the next block; the runs, once the map is complete. */
  addBlock(block: Buffer): SparseRun[] | undefined {
    this.readBytes += block.length
    if (this.readBytes > tarLimits.sparseMapBytes) throw invalidArchive('a sparse map is too long')
    const lines = (this.pending + block.toString('latin1')).split('\n')
    this.pending = lines.pop() ?? ''
    for (const line of lines) {
      if (this.expected === -1) this.expected = parseDecimal(line, 'number of sparse blocks') * 2
      else if (this.numbers.length < this.expected) this.numbers.push(line)
      if (this.numbers.length === this.expected) return pairUp(this.numbers)
    }
    return undefined
  }
}

/** Runs in an old GNU sparse header (four from 386) or extension block (21 from 0); stops at the first empty one. */
export function oldGnuRuns(block: Buffer, start: number, maximum: number): SparseRun[] {
  const runs: SparseRun[] = []
  for (let index = 0; index < maximum; index++) {
    const at = start + index * 24
    if (block[at] === 0) break
    runs.push({
      offset: numberField(block, at, 12, 'sparse offset'),
      length: numberField(block, at + 12, 12, 'sparse length'),
    })
  }
  return runs
}

/** Throws ARCHIVE_INVALID unless the runs ascend, do not overlap, lie in the file and add up to the stored bytes. */
export function checkSparseRuns(runs: readonly SparseRun[], sizeBytes: number, storedBytes: number): void {
  let position = 0
  let total = 0
  for (const run of runs) {
    if (run.offset < position || run.length < 0 || run.offset + run.length > sizeBytes) {
      throw invalidArchive('a sparse map is out of order or larger than its file')
    }
    position = run.offset + run.length
    total += run.length
  }
  if (total !== storedBytes) throw invalidArchive('a sparse map disagrees with the stored length of its file')
}

function pairUp(numbers: readonly string[]): SparseRun[] {
  const runs: SparseRun[] = []
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    runs.push({
      offset: parseDecimal(numbers[index] ?? '', 'sparse offset'),
      length: parseDecimal(numbers[index + 1] ?? '', 'sparse length'),
    })
  }
  return runs
}
