/** Starts helpers through the addon. `node:child_process` costs a first use of 5 ms under Bun, for streams that conmon and the runtimes do not need. */
import { closeSync } from 'node:fs'
import { native } from '../native/native.ts'

export interface HelperOptions {
  /** The helper's whole environment. */
  env: Readonly<Record<string, string | undefined>>
  /** Become its 0, 1, …; -1 is /dev/null. It inherits nothing else. They stay the caller's to close. */
  fds: readonly number[]
  /** A session of its own: no signal of the caller's terminal reaches it. */
  newSession?: boolean
  /** False: the caller's process may end before the helper does. */
  keepsAlive?: boolean
}

export interface Helper {
  pid: number
  /** Exit status, or minus the signal that ended it. The zombie is taken away then, whether or not anybody waits. */
  ended: Promise<number>
}

/** `path` is not searched for. Throws the system error of starting (ENOENT, EACCES, …). */
export function startHelper(path: string, args: readonly string[], options: HelperOptions): Helper {
  const environment = Object.entries(options.env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
  const [pid, pidfd] = native.spawn(path, [path, ...args], environment, options.fds, options.newSession ?? false)
  try {
    return { pid, ended: native.waitChild(pidfd, options.keepsAlive ?? true) }
  } finally {
    closeSync(pidfd)
  }
}

/** Reads a pipe's end to its end and closes it. */
export function readToEnd(fd: number): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const stop = native.readLoop(fd, 65_536, (error, chunk) => {
      if (error === null && chunk !== null) {
        // The reader uses its buffer again.
        chunks.push(Buffer.from(chunk))
        return
      }
      stop()
      closeSync(fd)
      resolve(Buffer.concat(chunks).toString())
    })
  })
}
