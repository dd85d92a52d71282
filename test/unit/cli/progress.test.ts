import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '../../../src/cli/progress.ts')
const digest = (letter: string): string => `sha256:${letter.repeat(64)}`

/** What is written to standard error for the events. */
function draw(events: readonly object[], options: object): string {
  const script = `import { pullProgress } from ${JSON.stringify(source)}; const view = pullProgress(${JSON.stringify(options)}); for (const event of ${JSON.stringify(events)}) view.onProgress(event); view.finish()`
  return spawnSync(process.execPath, ['--input-type=module-typescript', '--disable-warning=ExperimentalWarning', '-e', script], { encoding: 'utf8' }).stderr
}

const blob = (letter: string, state: string, bytes = 0): object => ({ type: 'blob', kind: 'layer', digest: digest(letter), state, bytes, total: 4 * 2 ** 20 })

/** The lines that a terminal shows in the end. */
function screen(output: string): string[] {
  const lines: string[] = []
  for (const [index, part] of output.split('\x1b[').entries()) {
    const up = index === 0 ? undefined : /^(\d+)A$/.exec(part)?.[1]
    if (up !== undefined) lines.length -= Number(up)
    else lines.push(...(index === 0 ? part : part.slice(1)).split('\n').slice(0, -1))
  }
  return lines
}

test('without a terminal: a line per finished blob, in podman\'s words', () => {
  const output = draw([
    { type: 'trying', reference: 'h/x:1', endpoint: 'h/x:1' }, { type: 'step', text: 'Getting image source signatures' },
    blob('a', 'waiting'), blob('a', 'downloading', 5), blob('b', 'present'), blob('a', 'done'), blob('a', 'done'), { type: 'manifest', digest: digest('c') },
  ], {})
  assert.equal(output, 'Trying to pull h/x:1...\nGetting image source signatures\nCopying blob bbbbbbbbbbbb skipped: already exists\nCopying blob aaaaaaaaaaaa done\nWriting manifest to image destination\n')
})

test('quiet: nothing', () => {
  assert.equal(draw([blob('a', 'done'), { type: 'warning', message: 'w' }], { quiet: true, columns: 80 }), '')
})

test('on a terminal: finished blobs stay above, bars below, never more than what is under way', () => {
  const letters = [...'0123456789abcdef']
  const events = [...letters.map((letter) => blob(letter, 'waiting')), blob('0', 'downloading', 2 ** 20), blob('1', 'present'), blob('2', 'downloading', 2 ** 21)]
  const lines = screen(draw(events, { columns: 100 }))
  assert.equal(lines[0], `Copying blob ${'1'.repeat(12)} skipped: already exists`)
  assert.match(lines[1]!, /^Copying blob 0+ \[=+>-+\] 1\.0MiB \/ 4\.0MiB$/)
  assert.match(lines[2]!, /2\.0MiB/)
  assert.deepEqual(lines.slice(3), ['13 more blobs waiting'])
  const ended = screen(draw([...events, ...letters.map((letter) => blob(letter, 'done')), { type: 'manifest', digest: digest('0') }], { columns: 100 }))
  assert.equal(ended.length, 17 + 1)
  assert.equal(ended.at(-1), 'Writing manifest to image destination')
})

test('a wait is told above the bars, and nobody else\'s control characters reach the terminal', () => {
  const lines = screen(draw([blob('a', 'downloading', 1), { type: 'retry', what: 'pull h/x:1', why: 'the registry answers status 429 and asks to wait 8 s\x1b[2J', attempt: 1, delayMs: 7600 }], { columns: 80 }))
  assert.match(lines[0]!, /^Retrying pull h\/x:1 in 8 s: the registry answers status 429 and asks to wait 8 s \[2J$/)
  assert.match(lines[1]!, /^Copying blob a+ /)
  for (const line of lines) assert.ok(line.length < 160)
})
