/** Linux signal numbers (x86-64, arm64) by name, and the spellings that `--stop-signal`, `kill -s` and image configs use. */
const names = [
  'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM', 'TERM', 'STKFLT',
  'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS',
]
const aliases: Readonly<Record<string, number>> = { IOT: 6, CLD: 17, POLL: 29, UNUSED: 31 }
const realtimeMin = 34
const realtimeMax = 64

/** Number of `9`, `KILL`, `SIGKILL`, `sigkill`, `RTMIN+3`, `SIGRTMAX-1`; undefined when there is no such signal. */
export function findSignal(text: string): number | undefined {
  if (/^\d+$/.test(text)) {
    const number = Number(text)
    return number >= 1 && number <= realtimeMax ? number : undefined
  }
  const name = text.toUpperCase().replace(/^SIG/, '')
  const index = names.indexOf(name)
  if (index >= 0) return index + 1
  if (Object.hasOwn(aliases, name)) return aliases[name]
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name)
  if (realtime === null) return undefined
  const offset = Number(realtime[3] ?? 0) * (realtime[2] === '-' ? -1 : 1)
  const number = (realtime[1] === 'MIN' ? realtimeMin : realtimeMax) + offset
  return number >= realtimeMin && number <= realtimeMax ? number : undefined
}

/** `SIGTERM` for 15; `SIGRTMIN+3` for 37; the number itself for anything else. */
export function formatSignal(number: number): string {
  const name = names[number - 1]
  if (name !== undefined) return `SIG${name}`
  if (number >= realtimeMin && number <= realtimeMax) return number === realtimeMin ? 'SIGRTMIN' : `SIGRTMIN+${number - realtimeMin}`
  return String(number)
}
