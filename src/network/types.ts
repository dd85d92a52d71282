/** What the network layer offers to libpod. Modes none, host and container: need no call here. */

export interface PortMapping {
  /** '' means all addresses (IPv4 and IPv6). */
  hostIp: string
  /** 0 asks for a free port. */
  hostPort: number
  containerPort: number
  /** Length of the range, 1 for a single port. */
  range: number
  protocol: 'tcp' | 'udp' | 'sctp'
}

export interface NetworkContext {
  /** Persistent state (network definitions). */
  stateDirectory: string
  /** Volatile state (leases, per-container status); gone at reboot. */
  runDirectory: string
  /** Default bridge name and subnet from containers.conf ([network] default_subnet), or tpod's own defaults. */
  defaultNetwork: string
  defaultSubnet?: string
}

export interface NetworkRequest {
  containerId: string
  containerName: string
  /** Network names; [] means the default network. */
  networks: readonly { name: string; aliases?: readonly string[]; ip?: string; mac?: string }[]
  ports: readonly PortMapping[]
}

/** Addresses are reserved and ports checked before the container exists: the netns is not needed yet. */
export interface NetworkReservation {
  containerId: string
  interfaces: NetworkInterface[]
  /** With concrete host ports. */
  ports: PortMapping[]
}

export interface NetworkInterface {
  network: string
  bridge: string
  /** Name inside the container: eth0, eth1, … */
  name: string
  mac: string
  ipv4: string
  prefixLength: number
  gateway: string
  ipv6?: string
}

/**
 * - `reserve`: IPAM and port checks under the network lock; writes the per-container record first (crash: the record says what to undo).
 * - `attach`: bridge, veth into the netns of `pid`, addresses, routes; one nft transaction. Throws after undoing itself.
 * - `release`: rules, leases, record. Idempotent, succeeds for unknown ids; the veth dies with the netns.
 * - `reconcile`: releases all whose container id is not in `isAlive`.
 */
export interface NetworkManager {
  reserve(request: NetworkRequest): Promise<NetworkReservation>
  /** May be started before the pid is known: `prepare` does what does not need the netns (bridge, nft). */
  prepare(reservation: NetworkReservation): Promise<void>
  attach(reservation: NetworkReservation, pid: number): Promise<void>
  release(containerId: string): Promise<void>
  reconcile(isAlive: (containerId: string) => boolean): Promise<string[]>
  read(containerId: string): NetworkReservation | undefined
  /**
   * Descriptors that keep the reserved host ports bound; the caller owns them then. Hand them to the container's monitor
   * as extra descriptors and close them: nothing else on the host can take the ports while it lives. Without a call,
   * `release` closes them. [] for containers that this object did not reserve for.
   */
  takePortDescriptors(containerId: string): number[]
  list(): Promise<{ name: string; driver: string; bridge: string; subnet: string; gateway: string }[]>
}
