import { closeSync } from 'node:fs'
import { TpodError, errorMessage } from '../errors/tpod-error.ts'
import { native } from '../host/native/native.ts'
import { readToEnd, startHelper } from '../host/process/start-helper.ts'

/** Runs the runtime to its end. Only its own failure to start throws (RUNTIME_MISSING). A signal's status is 128 + its number. */
export async function runRuntime(
  path: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>,
): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  const [stdoutRead, stdoutWrite] = native.pipe()
  const [stderrRead, stderrWrite] = native.pipe()
  const reading = Promise.all([readToEnd(stdoutRead), readToEnd(stderrRead)])
  let ended: Promise<number>
  try {
    ended = startHelper(path, args, { env, fds: [-1, stdoutWrite, stderrWrite] }).ended
  } catch (cause) {
    throw new TpodError('RUNTIME_MISSING', `run ${path}: ${errorMessage(cause)}`, {
      cause, remedy: 'install crun or runc, or choose another with --runtime',
    })
  } finally {
    closeSync(stdoutWrite)
    closeSync(stderrWrite)
  }
  const [status, [stdout, stderr]] = await Promise.all([ended, reading])
  return { exitCode: status < 0 ? 128 - status : status, stdout, stderr }
}
