/** kill -9 of tpod at random moments of a command. */
import { spawn } from 'node:child_process'
import { type TestHost, tpodPath } from './host.ts'

/** Runs tpod and kills it after `afterMs`; true when the kill came before its end. */
export function killAfter(host: TestHost, args: readonly string[], afterMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(tpodPath, [...host.storeFlags(), ...args], { env: host.env, stdio: 'ignore' })
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    child.on('close', (_, signal) => {
      clearTimeout(timer)
      resolve(signal === 'SIGKILL')
    })
  })
}

/** Median wall time of a few whole runs, ms: the span that random moments are drawn from. */
export async function typicalMs(host: TestHost, args: readonly string[], before: () => void = () => {}): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 3; i++) {
    before()
    const started = performance.now()
    await killAfter(host, args, 120_000)
    times.push(performance.now() - started)
  }
  return times.sort((a, b) => a - b)[1] as number
}
