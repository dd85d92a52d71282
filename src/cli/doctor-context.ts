import { userInfo } from 'node:os'
import { loadContainersConf } from '../config/containers-conf.ts'
import { loadStorageOptions } from '../config/storage-conf.ts'
import { runDoctor } from '../debug/doctor/run-doctor.ts'
import type { Finding } from '../debug/doctor/types.ts'
import type { CommandContext } from './base-command.ts'
import type { GlobalValues } from './global-flags.ts'

/** Without opening the store: doctor has to work where that fails. */
export async function doctorFindings(globals: GlobalValues, context: Pick<CommandContext, 'env'>): Promise<Finding[]> {
  const { env } = context
  const { uid, gid, username, homedir } = userInfo()
  const home = env['HOME'] || homedir
  const place = { env, isRoot: uid === 0, home }
  const [config, store] = await Promise.all([
    loadContainersConf(place),
    loadStorageOptions({
      ...place, uid,
      ...(globals.root === undefined ? {} : { root: globals.root }),
      ...(globals.runroot === undefined ? {} : { runroot: globals.runroot }),
    }),
  ])
  return runDoctor({
    uid, gid, userName: username, home, graphRoot: store.graphRoot, runRoot: store.runRoot,
    path: (env['PATH'] ?? '').split(':').filter(Boolean),
    conmonPaths: globals.conmon === undefined ? config.engine.conmonPath : [globals.conmon],
    runtimePaths: config.engine.runtimes, initPath: config.containers.initPath, seccompProfile: config.containers.seccompProfile,
  })
}
