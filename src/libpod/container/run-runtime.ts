import { spawn } from 'node:child_process'
import { TpodError } from '../../errors/tpod-error.ts'

/** Runs the runtime to its end. Only its own failure to start throws (RUNTIME_MISSING). */
export function runRuntime(
  path: string, args: readonly string[], env: NodeJS.ProcessEnv,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
    child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
    child.once('error', (cause) => reject(new TpodError('RUNTIME_MISSING', `run ${path}: ${cause.message}`, {
      cause, remedy: 'install crun or runc, or choose another with --runtime',
    })))
    child.once('close', (code) => resolve({ exitCode: code ?? 255, stdout, stderr }))
  })
}
