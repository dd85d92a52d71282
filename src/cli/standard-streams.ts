/** Which of this process's standard streams an attached container gets. */
import { TpodError } from '../errors/tpod-error.ts'
import type { AttachStreams } from '../libpod/container/attach-streams.ts'
import { writeError } from './output.ts'
import { isTerminal } from './terminal.ts'

export interface StreamChoice {
  interactive: boolean
  tty: boolean
  /** Undefined takes containers.conf's. */
  detachKeys: string | undefined
  defaultDetachKeys: string
  sigProxy: boolean
  /** --attach: stdin, stdout, stderr; none means output, and input with --interactive. */
  attach?: readonly string[]
}

export function standardStreams(choice: StreamChoice): AttachStreams {
  const wanted = choice.attach ?? []
  for (const word of wanted) {
    if (!['stdin', 'stdout', 'stderr'].includes(word.toLowerCase())) {
      throw new TpodError('BAD_FLAG', `invalid stream "${word}" for --attach: only stdin, stdout and stderr are allowed`)
    }
  }
  const has = (word: string): boolean => wanted.length === 0 || wanted.some((item) => item.toLowerCase() === word)
  const isInput = wanted.length === 0 ? choice.interactive : has('stdin')
  const terminal = choice.tty && isInput && isTerminal(0)
  if (choice.tty && isInput && !terminal) {
    writeError('The input device is not a TTY. The --tty and --interactive flags might not work properly\n')
  }
  return {
    ...(isInput ? { stdin: 0 } : {}),
    ...(has('stdout') ? { stdout: 1 } : {}),
    ...(has('stderr') ? { stderr: 2 } : {}),
    ...(terminal ? { terminalFd: 0 } : {}),
    detachKeys: choice.detachKeys ?? choice.defaultDetachKeys,
    proxySignals: choice.sigProxy,
  }
}
