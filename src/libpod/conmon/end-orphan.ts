import { readFileSync, readdirSync } from 'node:fs'

/**
 * Ends the monitor of a start whose process was killed before it recorded the monitor's pid; the runtime's `create`, if that is still
 * at work, dies with it. Looks through /proc: only for starts that were broken off. Caller holds the container's lock.
 */
export function endOrphanMonitor(containerId: string): void {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || !isMonitorOf(pid, containerId)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // ESRCH: it ended by itself.
    }
  }
}

function isMonitorOf(pid: number, containerId: string): boolean {
  try {
    const argv = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')
    return argv[argv.indexOf('-c') + 1] === containerId && argv.includes('--exit-dir')
  } catch {
    // The process ended meanwhile.
    return false
  }
}
