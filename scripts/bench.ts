/**
 * `npm run bench`: tpod beside podman (where it is installed) on the same store and images; prints medians and ratios and
 * writes docs/benchmarks.md. `npm run bench -- ps run` runs the rows whose names contain one of the words; then nothing is written.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { projectRoot, TestHost, tpodPath } from '../test/support/host.ts'
import { makeLargeImage } from './bench/images.ts'
import { type Command, measurePair, type Row } from './bench/measure.ts'
import { benchTransfers } from './bench/transfers.ts'

const words = process.argv.slice(2)
const image = 'localhost/bench:latest'
const hasPodman = spawnSync('podman', ['--version']).status === 0
if (!existsSync('/usr/bin/time')) throw new Error('bench needs GNU time: apt-get install time')

const host = new TestHost()
// Both tools with the same runtime: crun, where this host lets it run.
const crunRuns = spawnSync('crun', ['--version']).status === 0 && (!existsSync('/sys/fs/cgroup/unified') || readFileSync('/sys/fs/cgroup/unified/cgroup.controllers', 'utf8').trim() === '')
const env = host.env
const rows: Row[] = []

const tpod = (...args: string[]): readonly string[] => [tpodPath, ...host.storeFlags(), ...args]
const podman = (...args: string[]): readonly string[] => ['podman', ...host.storeFlags(), '--tmpdir', join(host.directory, 'podman-tmp'), ...args]

function bench(name: string, runs: number, target: number | undefined, make: (tool: typeof tpod, label: 'tpod' | 'podman') => Command): void {
  if (!wanted(name)) return
  const row = measurePair(name, make(tpod, 'tpod'), hasPodman ? make(podman, 'podman') : undefined, env, runs, target)
  addRow(row)
}

function addRow(row: Row): void {
  rows.push(row)
  process.stdout.write(`${formatRow(row)}\n`)
}

function wanted(name: string): boolean {
  return words.length === 0 || words.some((word) => name.includes(word))
}

function formatRow(row: Row): string {
  const cell = (value: number | undefined, digits: number): string => (value === undefined ? '-' : value.toFixed(digits))
  const mib = (kib: number | undefined): string => (kib === undefined ? '-' : (kib / 1024).toFixed(0))
  const cells = [
    row.name, cell(row.tpodMs, 1), cell(row.peerMs, 1) + (row.peer === 'podman' ? '' : ` (${row.peer})`), cell(row.ratio, 2), row.target === undefined ? '' : `≤ ${row.target}`,
    cell(row.tpodCpuMs, 0), cell(row.peerCpuMs, 0), mib(row.tpodPeakKiB), mib(row.peerPeakKiB), row.runs,
  ]
  return `| ${cells.join(' | ')} |`
}

/** Memory that stays behind per detached container besides its own process: the monitor's, as the kernel accounts it (PSS). */
function idleMonitorKiB(): number {
  const pids = spawnSync('pgrep', ['-f', `conmon.*${host.directory}`], { encoding: 'utf8' }).stdout.trim().split('\n').filter(Boolean)
  const sizes = pids.map((pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0))
  return sizes.length === 0 ? 0 : sizes.reduce((a, b) => a + b, 0) / sizes.length
}

const notes: string[] = []
try {
  host.importBusybox(image)
  const registry = await host.startRegistry()
  bench('run --rm --network none true', 21, 0.5, (tool) => ({ argv: tool('run', '--rm', '--network', 'none', image, 'true') }))
  bench('run --rm --network host true', 15, 0.5, (tool) => ({ argv: tool('run', '--rm', '--network', 'host', image, 'true') }))
  bench('run --rm true (bridge)', 15, 0.35, (tool) => ({ argv: tool('run', '--rm', image, 'true') }))

  for (const label of ['tpod', 'podman'] as const) if (label === 'tpod' || hasPodman) {
    const tool = label === 'tpod' ? tpod : podman
    run(tool('run', '-d', '--name', `idle-${label}`, '--network', 'none', image, 'sleep', '100000'))
    notes.push(`Idle detached container, monitor's memory (PSS), started by ${label}: ${(idleMonitorKiB() / 1024).toFixed(1)} MiB`)
    if (label === 'tpod') run(tool('stop', '-t', '0', `idle-${label}`))
  }
  run(tpod('start', 'idle-tpod'))
  bench('exec true', 21, 0.45, (tool, label) => ({ argv: tool('exec', `idle-${label}`, 'true') }))
  bench('ps', 21, 1, (tool) => ({ argv: tool('ps') }))
  bench('images', 21, 1, (tool) => ({ argv: tool('images') }))
  bench('inspect (container)', 21, 1, (tool, label) => ({ argv: tool('inspect', `idle-${label}`) }))
  bench('inspect (image)', 21, 1, (tool) => ({ argv: tool('image', 'inspect', image) }))
  bench('20 containers started at once', 5, undefined, (tool, label) => ({
    argv: ['sh', '-c', `for i in $(seq 20); do ${tool('run', '-d', '--network', 'none', '--name', `many-${label}-$i`, image, 'sleep', '1000').join(' ')} >/dev/null & done; wait`],
    after: () => run(tool('rm', '-f', '-t', '0', ...Array.from({ length: 20 }, (_, i) => `many-${label}-${i + 1}`))),
  }))
  if (wanted('ps with 300 containers')) {
    for (const tool of hasPodman ? [tpod, podman] : [tpod]) run(['sh', '-c', `for i in $(seq 300); do ${tool('create', '--network', 'none', image, 'true').join(' ')} >/dev/null || exit 1; done`])
    bench('ps with 300 containers', 11, 0.7, (tool) => ({ argv: tool('ps', '-a') }))
    for (const tool of hasPodman ? [tpod, podman] : [tpod]) run(tool('rm', '-f', '-t', '0', '-a'))
  }
  if (wanted('pull (3 layers)')) {
    const size = makeLargeImage(host, registry, 'localhost/large:latest')
    notes.push(`Pulled image: ${(size.bytes / 1e6).toFixed(0)} MB in ${size.files} files, 3 layers, from a loopback registry`)
    // A new store for each run, all deleted at the end: ext4 steps over freshly freed inodes, so a pull soon after a removal
    // would measure the removal.
    let store = 0
    bench('pull (3 layers)', 5, 0.6, (_, label) => ({
      argv: () => {
        const flags = ['--root', join(host.directory, `pull-${++store}`), '--runroot', join(host.directory, `pull-run-${store}`)]
        return [label === 'tpod' ? tpodPath : 'podman', ...flags, 'pull', '-q', '--tls-verify=false', `${registry}/large:latest`]
      },
      before: () => spawnSync('sync'),
    }))
    const row = rows.at(-1)
    if (row !== undefined) notes.push(`Processor time per pulled byte: tpod ${(row.tpodCpuMs / size.bytes * 1e6).toFixed(1)} ns, podman ${((row.peerCpuMs ?? 0) / size.bytes * 1e6).toFixed(1)} ns (of the uncompressed bytes)`)
  }
  if (hasPodman) notes.push(...benchTransfers({ host, registry, wanted, onRow: addRow }))
} finally {
  host.dispose()
}

function run(argv: readonly string[]): void {
  const [file, ...args] = argv
  const result = spawnSync(file as string, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 900_000 })
  if (result.status !== 0) throw new Error(`${argv.join(' ')}: ${result.stderr}`)
}

const header = '| command | tpod ms | peer ms | ratio | target | tpod CPU ms | peer CPU ms | tpod peak MiB | peer peak MiB | runs |\n|---|---|---|---|---|---|---|---|---|---|'
const text = `# Benchmarks

Written by \`npm run bench\`: each row times whole commands in pairs (tpod, podman, tpod, …) on one machine, one store and the same images, and quotes medians. The peer is podman unless the row names skopeo. Absolute times depend on the machine; the ratio is what to compare. Peak memory is that of the largest single process; CPU is user and system time of all processes waited for.

Machine: ${cpus().length} × ${cpus()[0]?.model ?? 'cpu'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; runtime ${crunRuns ? 'crun' : 'runc'} for both; ${spawnSync('podman', ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? 'no podman'}.

${header}
${rows.map(formatRow).join('\n')}

${notes.map((note) => `- ${note}`).join('\n')}
`
process.stdout.write(`\n${header}\n${rows.map(formatRow).join('\n')}\n${notes.join('\n')}\n`)
if (words.length === 0) writeFileSync(join(projectRoot, 'docs/benchmarks.md'), text)
