/** An exec session with a terminal for callers who have none themselves: conmon holds it, as it does for a container. */
import { closeSync, mkdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { native } from '../../host/native/native.ts'
import { resizeTerminal } from '../conmon/attach-socket.ts'
import type { ConmonOptions } from '../conmon/conmon-args.ts'
import { startConmon, type ConmonContext } from '../conmon/start-conmon.ts'
import { attachStreams, type AttachStreams } from '../container/attach-streams.ts'
import { readExit } from '../state/container-files.ts'
import { unknownExitCode } from '../state/derive-state.ts'

/**
 * Runs the session to its end with the caller's streams joined; output and errors come as one, as from any terminal.
 * Returns the exit status. Throws what starting conmon throws. `conmon.bundle` is made, and removed at the end.
 */
export async function execOnTerminal(conmonPath: string, options: ConmonOptions, context: ConmonContext, streams: AttachStreams): Promise<number> {
  const directory = options.bundle
  mkdirSync(directory, { mode: 0o700 })
  const [readyRead, readyWrite] = native.pipe()
  const [goRead, goWrite] = native.pipe()
  try {
    const conmon = startConmon(conmonPath, options, { ...context, attachFds: { ready: readyWrite, go: goRead } })
    closeSync(readyWrite)
    closeSync(goRead)
    try {
      // Once to begin, once when our end of the socket is there: nothing is said to nobody.
      writeSync(goWrite, '\n')
      await native.waitReadable(readyRead, -1)
      // No message: conmon has ended, and `created` says why.
      if (readSync(readyRead, Buffer.alloc(256)) === 0) await conmon.created
      const session = await attachStreams(directory, streams, () => undefined)
      try {
        writeSync(goWrite, '\n')
        await conmon.created
        const size = typeof streams.stdout === 'number' ? native.getWinsize(streams.stdout) : null
        if (size !== null) resizeTerminal(directory, size)
        await session.done
      } finally {
        session.close()
      }
      await conmon.ended
    } catch (error) {
      conmon.end()
      throw error
    }
    const code = readExit(`${directory}/${options.containerId}`)?.code ?? unknownExitCode
    return code < 0 ? unknownExitCode : code
  } finally {
    closeSync(readyRead)
    closeSync(goWrite)
    rmSync(directory, { recursive: true, force: true })
  }
}
