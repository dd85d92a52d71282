/** Paired timing: A and B in turn, so that a machine whose speed drifts treats both alike; medians and their ratio are quoted. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Command {
  /** A function gives each run its own. */
  argv: readonly string[] | (() => readonly string[])
  /** Runs before each timed run, untimed. */
  before?: () => void
  /** Runs after each timed run, untimed. */
  after?: () => void
}

export interface Row {
  name: string
  tpodMs: number
  /** What tpod was compared with: podman, or skopeo. */
  peer: string
  peerMs: number | undefined
  ratio: number | undefined
  /** Processor time, user and system, of all processes that the command waited for. */
  tpodCpuMs: number
  peerCpuMs: number | undefined
  tpodPeakKiB: number
  peerPeakKiB: number | undefined
  runs: number
  target?: number | undefined
}

export interface Measurement {
  ms: number
  cpuMs: number
  peakKiB: number
}

/** Wall time and the largest process's peak memory of one run; throws when the command fails. */
export function measureOnce(command: Command, env: Record<string, string>): Measurement {
  command.before?.()
  const report = '/tmp/tpod-bench-rss'
  const argv = typeof command.argv === 'function' ? command.argv() : command.argv
  const started = process.hrtime.bigint()
  const result = spawnSync('/usr/bin/time', ['-q', '-f', '%M %U %S', '-o', report, ...argv], { env, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 })
  const ms = Number(process.hrtime.bigint() - started) / 1e6
  if (result.status !== 0) throw new Error(`${argv.join(' ')} ended with ${result.status}: ${result.stderr.toString().slice(-800)}`)
  const [peakKiB = 0, user = 0, system = 0] = (readFileSync(report, 'utf8').trim().split('\n').at(-1) ?? '').split(' ').map(Number)
  command.after?.()
  return { ms, cpuMs: (user + system) * 1000, peakKiB }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? Number.NaN)) / 2
}

export function measurePair(name: string, tpod: Command, peer: Command | undefined, env: Record<string, string>, runs: number, target?: number, peerName = 'podman'): Row {
  const warmUp = runs > 3 ? 1 : 0
  const a: Measurement[] = []
  const b: Measurement[] = []
  for (let run = 0; run < runs + warmUp; run++) {
    const first = measureOnce(tpod, env)
    const second = peer === undefined ? undefined : measureOnce(peer, env)
    if (run < warmUp) continue
    a.push(first)
    if (second !== undefined) b.push(second)
  }
  const ofPeer = (key: keyof Measurement): number | undefined => (b.length > 0 ? median(b.map((one) => one[key])) : undefined)
  const tpodMs = median(a.map((one) => one.ms))
  const peerMs = ofPeer('ms')
  return {
    name,
    tpodMs,
    peer: peerName,
    peerMs,
    ratio: peerMs === undefined ? undefined : tpodMs / peerMs,
    tpodCpuMs: median(a.map((one) => one.cpuMs)),
    peerCpuMs: ofPeer('cpuMs'),
    tpodPeakKiB: median(a.map((one) => one.peakKiB)),
    peerPeakKiB: ofPeer('peakKiB'),
    runs,
    target,
  }
}
