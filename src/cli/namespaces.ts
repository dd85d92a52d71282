import { readlinkSync } from 'node:fs'

const links = { Cgroup: 'cgroup', IPC: 'ipc', MNT: 'mnt', NET: 'net', PIDNS: 'pid', User: 'user', UTS: 'uts' } as const

/** Inode numbers of a process's namespaces, by podman's field names; '' where there is no process. */
export function readNamespaces(pid: number): Record<keyof typeof links, string> {
  const read = (name: string): string => {
    try {
      return /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${name}`))?.[1] ?? ''
    } catch {
      return '' // It ended, or was never there.
    }
  }
  return Object.fromEntries(Object.entries(links).map(([field, name]) => [field, pid > 0 ? read(name) : ''])) as Record<keyof typeof links, string>
}
