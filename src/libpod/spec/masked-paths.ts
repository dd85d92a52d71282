/** Parts of /proc and /sys that a container must not see, or not write. */
const masked = [
  '/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats',
  '/sys/dev/block', '/sys/devices/virtual/powercap', '/sys/firmware', '/sys/fs/selinux',
]
const readOnly = ['/proc/asound', '/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

/**
 * @param mask added; @param unmask paths, globs (`/proc/*`) or ALL, taken from both lists.
 * Privileged containers get no default ones.
 */
export function resolveMaskedPaths(privileged: boolean, mask: readonly string[], unmask: readonly string[]): { maskedPaths: string[]; readonlyPaths: string[] } {
  if (privileged) return { maskedPaths: [...mask], readonlyPaths: [] }
  const isUnmasked = (path: string): boolean => unmask.some((pattern) => pattern.toLowerCase() === 'all' || globMatches(pattern, path))
  return {
    maskedPaths: [...masked.filter((path) => !isUnmasked(path)), ...mask],
    readonlyPaths: readOnly.filter((path) => !isUnmasked(path)),
  }
}

/** `*` and `?` within one path element, as Go's filepath.Match. */
function globMatches(pattern: string, path: string): boolean {
  const source = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')
  return new RegExp(`^${source}$`).test(path)
}
