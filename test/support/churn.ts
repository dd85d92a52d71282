/**
 * Several loops of tpod and podman at once pulling, running and removing the same images on one store.
 * podman's own failures under this load (it has some: "layer not known") are counted, ours are errors.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type TestHost, tpodPath } from './host.ts'

export interface ChurnResult {
  commands: { tpod: number; podman: number }
  podmanFailures: string[]
  tpodFailures: string[]
}

function runOnce(host: TestHost, tool: 'tpod' | 'podman', args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const [file, first] = tool === 'tpod' ? [tpodPath, host.storeFlags()] : ['podman', [...host.storeFlags(), '--tmpdir', join(host.directory, 'podman-tmp')]]
  return new Promise((resolve) => {
    const child = spawn(file, [...first, ...args], { env: host.env, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('close', (code, signal) => resolve({ code: code ?? 1, stderr: signal === null ? stderr : `${stderr} (${signal})` }))
  })
}

/**
 * Failures of ours that are the truth and no fault: the other tool removed the image between two of our steps, or it is in use.
 */
const lawful = /image is in use|in use by|no such image|image not known|unable to find/i

export async function churn(host: TestHost, references: readonly string[], durationMs: number): Promise<ChurnResult> {
  const result: ChurnResult = { commands: { tpod: 0, podman: 0 }, podmanFailures: [], tpodFailures: [] }
  const end = Date.now() + durationMs
  const loop = async (tool: 'tpod' | 'podman', seed: number): Promise<void> => {
    for (let round = seed; Date.now() < end; round++) {
      const reference = references[round % references.length] as string
      const steps = [
        ['pull', '-q', '--tls-verify=false', reference],
        ['run', '--rm', '--network', 'none', '--pull', tool === 'tpod' ? 'missing' : 'never', '--tls-verify=false', reference, 'true'],
        ['images'],
        ['ps', '-a'],
        ['rmi', reference],
      ]
      for (const args of steps) {
        const { code, stderr } = await runOnce(host, tool, args)
        result.commands[tool]++
        if (code === 0) continue
        const line = `${args[0]} ${code}: ${stderr.trim()}`
        if (tool === 'podman') result.podmanFailures.push(line)
        else if (!(args[0] === 'rmi' && lawful.test(stderr))) result.tpodFailures.push(line)
      }
    }
  }
  await Promise.all([loop('tpod', 0), loop('podman', 1), loop('tpod', 2)])
  return result
}
