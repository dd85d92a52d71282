/**
 * Builds dist/tpod (one executable: Bun, the sources as bytecode, the native addon) and dist/lib (the library for Node).
 *   node scripts/build.ts [--executable] [--lib]      default: both
 * In the executable '@oclif/core/command' is src/cli/lean-command.ts; see there.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function run(label: string, command: string, args: string[]): void {
  const started = Date.now()
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  if (result.error) throw new Error(`${label}: cannot run ${command}: ${result.error.message}`)
  if (result.status !== 0) throw new Error(`${label} failed (${result.status ?? result.signal}):\n${result.stdout}${result.stderr}`)
  console.log(`${label}: ${((Date.now() - started) / 1000).toFixed(1)} s`)
}

function bunPath(): string | undefined {
  const name = process.arch === 'arm64' ? 'bun-linux-aarch64' : 'bun-linux-x64'
  const path = join(root, 'node_modules/@oven', name, 'bin/bun')
  return existsSync(path) ? path : undefined
}

function buildAddon(): void {
  const script = join(root, 'scripts/build-native.ts')
  if (existsSync(script)) run('native addon', process.execPath, ['--disable-warning=ExperimentalWarning', script])
}

function buildExecutable(): void {
  const bun = bunPath()
  if (!bun) {
    console.log('executable: skipped, no Bun for this machine in node_modules/@oven (bin/tpod then runs on Node)')
    return
  }
  mkdirSync(join(root, 'dist'), { recursive: true })
  // Written aside and renamed: a tpod that runs meanwhile keeps its file.
  const temporary = join(root, `dist/.tpod-${process.pid}`)
  const worker = 'src/archive/worker.ts'
  const entries = ['src/main.ts', ...(existsSync(join(root, worker)) ? [worker] : [])]
  try {
    // In chunks: of one file all bytecode is read at each start, which cost 2 of the 8 ms of `tpod --version`.
    run('executable', bun, [
      'build', '--compile', '--bytecode', '--minify', '--format=esm', '--splitting', '--tsconfig-override=tsconfig.bundle.json',
      // Else whoever writes to the directory that tpod is called in decides its environment and what runs in it, as root.
      '--no-compile-autoload-dotenv', '--no-compile-autoload-bunfig', '--no-compile-autoload-tsconfig', '--no-compile-autoload-package-json',
      ...entries, '--outfile', temporary,
    ])
    renameSync(temporary, join(root, 'dist/tpod'))
  } finally {
    rmSync(temporary, { force: true })
  }
  console.log(`dist/tpod: ${(statSync(join(root, 'dist/tpod')).size / 1e6).toFixed(0)} MB`)
}

function buildLibrary(): void {
  rmSync(join(root, 'dist/lib'), { recursive: true, force: true })
  run('library', process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.lib.json'])
}

const wanted = process.argv.slice(2)
buildAddon()
if (wanted.length === 0 || wanted.includes('--executable')) buildExecutable()
if (wanted.length === 0 || wanted.includes('--lib')) buildLibrary()
