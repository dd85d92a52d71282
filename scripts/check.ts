/** Static checks: types, lint, and that generated files are what their sources say. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const checks: [name: string, argv: [string, ...string[]]][] = [
  ['types', ['node_modules/.bin/tsc', '--noEmit', '-p', '.']],
  ['generated files', [process.execPath, 'scripts/docs.ts', '--check']],
  ['lint', ['node_modules/.bin/oxlint', '--quiet', 'src', 'test', 'scripts']],
]
let failed = false
for (const [name, [file, ...args]] of checks) {
  const result = spawnSync(file, args, { cwd: root, stdio: 'inherit' })
  process.stdout.write(`${name}: ${result.status === 0 ? 'ok' : 'failed'}\n`)
  failed ||= result.status !== 0
}
process.exitCode = failed ? 1 : 0
