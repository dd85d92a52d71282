/** How `ps` shows a container: podman's template fields, columns and JSON. */
import type { ContainerRow } from '../libpod/container/list-containers.ts'
import { formatPorts } from '../network/port-spec.ts'
import { formatHumanDuration } from '../text/duration.ts'
import { formatSize } from '../text/units.ts'

export interface RowOptions {
  noTrunc: boolean
  nowMs: number
}

export const psHeaders = {
  ID: 'CONTAINER ID', CreatedHuman: 'CREATED', RunningFor: 'CREATED', CreatedAt: 'CREATED AT', ImageID: 'IMAGE ID', PodName: 'PODNAME', Pod: 'POD ID',
  Cgroup: 'CGROUPNS', PIDNS: 'PIDNS', User: 'USERNS', IPC: 'IPC', MNT: 'MNT', NET: 'NET', UTS: 'UTS', Networks: 'NETWORKS',
}

const maximumCommand = 17
const idLength = 12

/** Fields by their names in podman's templates. */
export function psFields(row: ContainerRow, options: RowOptions) {
  const shorten = (id: string): string => (options.noTrunc ? id : id.slice(0, idLength))
  const command = row.command.join(' ')
  const running = `${formatHumanDuration(options.nowMs - Date.parse(row.created))} ago`
  const status = statusText(row, options.nowMs)
  return {
    ID: shorten(row.id), Image: row.image, ImageID: shorten(row.imageId),
    Command: options.noTrunc || command.length <= maximumCommand ? command : `${command.slice(0, maximumCommand)}...`,
    CreatedHuman: running, RunningFor: running, Created: row.created, CreatedAt: row.created,
    Status: status, State: row.isExternal ? 'storage' : row.status, Ports: formatPorts(row.ports), Names: row.name, Name: row.name,
    Labels: new Map(Object.entries(row.labels)), Label: (name: string) => row.labels[name] ?? '',
    Mounts: options.noTrunc ? row.mounts : row.mounts.map((mount) => (mount.length > 15 ? `${mount.slice(0, 15)}...` : mount)),
    Networks: row.networks.join(','), Pid: row.pid, ExitCode: row.exitCode, Exited: row.status === 'exited',
    ExitedAt: epochSeconds(row.finishedAt), StartedAt: epochSeconds(row.startedAt), Pod: '', PodName: '', AutoRemove: row.autoRemove, IsInfra: false,
    Restarts: row.restartCount,
    Size: row.size === undefined ? '' : `${formatSize(row.size.rwSizeBytes)} (virtual ${formatSize(row.size.rootFsSizeBytes)})`,
  }
}

/** `Up 3 seconds ago`, `Exited (0) 2 minutes ago`, `Created`: podman's words. */
function statusText(row: ContainerRow, nowMs: number): string {
  if (row.isExternal) return 'Storage'
  if (row.status === 'running') return `Up ${formatHumanDuration(nowMs - Date.parse(row.startedAt))} ago`
  if (row.status === 'exited') return `Exited (${row.exitCode}) ${formatHumanDuration(nowMs - Date.parse(row.finishedAt))} ago`
  return `${row.status.charAt(0).toUpperCase()}${row.status.slice(1)}`
}

const zeroTimeSeconds = -62_135_596_800

function epochSeconds(time: string): number {
  const milliseconds = Date.parse(time)
  return Number.isNaN(milliseconds) || time.startsWith('0001-') ? zeroTimeSeconds : Math.floor(milliseconds / 1000)
}

/** One element of `ps --format json`. */
export function psJson(row: ContainerRow, nowMs: number): Record<string, unknown> {
  return {
    AutoRemove: row.autoRemove, Command: row.command, CreatedAt: `${formatHumanDuration(nowMs - Date.parse(row.created))} ago`,
    Exited: row.status === 'exited', ExitedAt: epochSeconds(row.finishedAt), ExitCode: row.exitCode, Id: row.id, Image: row.image,
    ImageID: row.imageId, IsInfra: false, Labels: row.labels, Mounts: row.mounts, Names: [row.name], Namespaces: {}, Networks: row.networks,
    Pid: row.pid, Pod: '', PodName: '',
    Ports: row.ports.length === 0 ? null : row.ports.map((port) => ({
      host_ip: port.hostIp, container_port: port.containerPort, host_port: port.hostPort, range: port.range, protocol: port.protocol,
    })),
    Restarts: row.restartCount,
    Size: row.size === undefined ? null : { rootFsSize: row.size.rootFsSizeBytes, rwSize: row.size.rwSizeBytes },
    StartedAt: epochSeconds(row.startedAt), State: row.isExternal ? 'storage' : row.status, Status: statusText(row, nowMs), Created: epochSeconds(row.created),
  }
}

export const sortKeys = ['command', 'created', 'id', 'image', 'names', 'runningfor', 'size', 'status'] as const

/** podman's orders: oldest first unless asked otherwise. */
export function sortRows(rows: ContainerRow[], key: string): ContainerRow[] {
  const by = (value: (row: ContainerRow) => string | number) => (a: ContainerRow, b: ContainerRow): number => {
    const [left, right] = [value(a), value(b)]
    return left < right ? -1 : left > right ? 1 : 0
  }
  const orders: Record<string, (row: ContainerRow) => string | number> = {
    command: (row) => row.command.join(' '), created: (row) => row.created, id: (row) => row.id, image: (row) => row.image, names: (row) => row.name,
    runningfor: (row) => Date.parse(row.startedAt) || 0, size: (row) => row.size?.rootFsSizeBytes ?? 0, status: (row) => row.status,
  }
  return rows.toSorted(by(orders[key] ?? ((row) => row.created)))
}
