/** Signal names and numbers (signal(7), x86-64 and arm64), as podman takes them: SIGTERM, TERM, term, 15, RTMIN+3. */
import { TpodError } from '../../errors/tpod-error.ts'

export const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
}

const aliases: Readonly<Record<string, number>> = { SIGIOT: 6, SIGCLD: 17, SIGPOLL: 29 }

/** glibc keeps 32 and 33 for itself. */
const SIGRTMIN = 34
const SIGRTMAX = 64

function parseRealTime(name: string): number | undefined {
  const match = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name)
  if (match === null) return undefined
  const offset = Number(match[3] ?? 0) * (match[2] === '-' ? -1 : 1)
  const number = (match[1] === 'MIN' ? SIGRTMIN : SIGRTMAX) + offset
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined
}

/** The number of a signal by name (any case, with or without SIG) or number. Throws INVALID_SIGNAL. */
export function parseSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    if (number >= 1 && number <= SIGRTMAX) return number
  } else {
    const upper = text.toUpperCase()
    const name = upper.startsWith('SIG') ? upper : `SIG${upper}`
    const number = signalNumbers[name] ?? aliases[name] ?? parseRealTime(name)
    if (number !== undefined) return number
  }
  throw new TpodError('INVALID_SIGNAL', `invalid signal: ${text}`, { remedy: 'give a name such as SIGTERM or a number from 1 to 64' })
}

/** `SIGTERM` for 15, `SIGRTMIN+3` for 37; undefined for a number that names no signal. */
export function signalName(number: number): string | undefined {
  if (number >= SIGRTMIN && number <= SIGRTMAX) return number === SIGRTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - SIGRTMIN}`
  return Object.keys(signalNumbers).find((name) => signalNumbers[name] === number)
}
