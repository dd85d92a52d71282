/** Opens the engine that the global flags and the environment ask for. */
import { openDefaultEngine } from '../libpod/open-default-engine.ts'
import type { Engine } from '../libpod/engine.ts'
import type { CommandContext } from './base-command.ts'
import type { GlobalValues } from './global-flags.ts'
import { printWarning } from './output.ts'
import { programName } from './program-name.ts'
import { version } from './version.ts'

/** Throws BAD_CONFIG, STORE_CORRUPT and the like; nothing is created by opening. */
export async function openCliEngine(globals: GlobalValues, context: Pick<CommandContext, 'env'>): Promise<Engine> {
  return openDefaultEngine({
    env: context.env,
    ...(globals.root === undefined ? {} : { root: globals.root }),
    ...(globals.runroot === undefined ? {} : { runroot: globals.runroot }),
    ...(globals['storage-driver'] === undefined ? {} : { storageDriver: globals['storage-driver'] }),
    ...(globals['storage-opt'].length === 0 ? {} : { storageOpts: globals['storage-opt'] }),
    ...(globals.runtime === undefined ? {} : { runtime: globals.runtime }),
    ...(globals['cgroup-manager'] === undefined ? {} : { cgroupManager: globals['cgroup-manager'] }),
    ...(globals.volumepath === undefined ? {} : { volumePath: globals.volumepath }),
    ...(globals.conmon === undefined ? {} : { conmon: globals.conmon }),
    dockerNames: programName(context.env) === 'docker',
    userAgent: `tpod/${version}`,
    onWarning: (warning) => printWarning(`Warning: ${warning}`),
  })
}
