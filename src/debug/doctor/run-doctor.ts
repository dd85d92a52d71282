import { errorMessage } from '../../errors/tpod-error.ts'
import { cgroupChecks } from './checks/cgroups.ts'
import { configurationChecks } from './checks/configuration.ts'
import { networkChecks } from './checks/network.ts'
import { runtimeChecks } from './checks/runtimes.ts'
import { securityChecks } from './checks/security.ts'
import { storageChecks } from './checks/storage.ts'
import { userChecks } from './checks/users.ts'
import { warn, type Check, type DoctorContext, type Finding } from './types.ts'

/**
 * Looks at everything that tpod needs from this machine. Changes nothing that lasts: probes run in namespaces and
 * directories of their own. Checks run side by side; findings come in a fixed order. Never throws.
 */
export async function runDoctor(context: DoctorContext): Promise<Finding[]> {
  const checks: readonly Check[] = [...runtimeChecks, ...cgroupChecks, ...storageChecks, ...networkChecks, ...userChecks, ...securityChecks, ...configurationChecks]
  const findings = await Promise.all(checks.map(async (check) => await runCheck(check, context)))
  return findings.flat()
}

async function runCheck(check: Check, context: DoctorContext): Promise<readonly Finding[]> {
  try {
    return await check.run(context)
  } catch (error) {
    return [warn(check.id, `could not be checked: ${errorMessage(error)}`, 'please report this, with the output of "tpod doctor"')]
  }
}
