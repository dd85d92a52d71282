/**
 * Runs the tests: `node scripts/test.ts [unit|hardening|system|node|interop …]`, all of them by default.
 * `node` is a core of the system tests once more, with tpod running on Node instead of as the executable.
 * Unit tests run in parallel; those that start real containers one file at a time, for they share the machine's networks.
 * Each group's summary stands at its end; the last line counts all groups together.
 */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const groups = { unit: 2, hardening: 2, system: 1, node: 1, interop: 1 } as const
const onNode = ['terminal', 'cli-commands', 'cli-network'].map((name) => join(root, `test/system/${name}.test.ts`))
type Group = keyof typeof groups

const asked = process.argv.slice(2).filter((word): word is Group => word in groups)
const chosen: Group[] = asked.length > 0 ? asked : (Object.keys(groups) as Group[])

interface Count {
  pass: number
  fail: number
  skipped: number
  exitCode: number
}

function testFiles(group: Group): string[] {
  if (group === 'node') return onNode
  const directory = join(root, 'test', group)
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(directory, name))
}

function runGroup(group: Group): Promise<Count> {
  const files = testFiles(group)
  process.stdout.write(`\n== ${group}: ${files.length} files ==\n`)
  const args = ['--test', '--test-reporter=spec', `--test-concurrency=${groups[group]}`, '--test-timeout=600000', ...files]
  const child = spawn(process.execPath, args, {
    cwd: root, stdio: ['ignore', 'pipe', 'inherit'], env: group === 'node' ? { ...process.env, TPOD_RUNTIME: 'node' } : process.env,
  })
  let tail = ''
  child.stdout.on('data', (chunk: Buffer) => {
    process.stdout.write(chunk)
    tail = (tail + chunk.toString()).slice(-65536)
  })
  return new Promise((resolve) => {
    child.on('close', (code) => {
      const count = (word: string): number => Number(new RegExp(`ℹ ${word} (\\d+)`).exec(tail)?.[1] ?? 0)
      resolve({ pass: count('pass'), fail: count('fail'), skipped: count('skipped'), exitCode: code ?? 1 })
    })
  })
}

const total: Count = { pass: 0, fail: 0, skipped: 0, exitCode: 0 }
for (const group of chosen) {
  const count = await runGroup(group)
  total.pass += count.pass
  total.fail += count.fail
  total.skipped += count.skipped
  total.exitCode ||= count.exitCode
}
process.stdout.write(`\n${total.pass} passed, ${total.fail} failed, ${total.skipped} skipped\n`)
process.exitCode = total.exitCode === 0 && total.pass > 0 ? 0 : 1
