import { readFileSync } from 'node:fs'

/** The kernel's random id of this boot: state recorded under another one is from before a reboot. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}
