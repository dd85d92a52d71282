/** Where one container's files are. Persistent ones under ROOT, volatile ones (gone at reboot, or stale: see bootId) under RUN. */
export interface StatePaths {
  /** ROOT/tpod/containers */
  containers: string
  /** RUN/tpod/exits: conmon writes one file per container, holding the exit status in decimal. */
  exits: string
  /** RUN/tpod/live: one marker per container that was started and not cleaned up yet. */
  live: string
  /** ROOT/tpod/pending: one marker per container being created. */
  pending: string
}

export interface ContainerPaths {
  directory: string
  config: string
  state: string
  lock: string
  exit: string
  live: string
  pending: string
}

export function statePaths(ownDirectory: string, ownRunDirectory: string): StatePaths {
  return {
    containers: `${ownDirectory}/containers`,
    pending: `${ownDirectory}/pending`,
    exits: `${ownRunDirectory}/exits`,
    live: `${ownRunDirectory}/live`,
  }
}

export function containerPaths(paths: StatePaths, id: string): ContainerPaths {
  const directory = `${paths.containers}/${id}`
  return {
    directory,
    config: `${directory}/config.json`,
    state: `${directory}/state.json`,
    lock: `${directory}/lock`,
    exit: `${paths.exits}/${id}`,
    live: `${paths.live}/${id}`,
    pending: `${paths.pending}/${id}`,
  }
}
