/** Control groups: version, delegation to this user, the controllers that limits need. */
import { detectCgroups, hasController, isSystemdManaging } from '../../../host/cgroup/detect.ts'
import { readText } from '../probe.ts'
import { ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

const WANTED = ['cpu', 'cpuset', 'memory', 'pids', 'blkio']

export const cgroupChecks: readonly Check[] = [{ id: 'cgroups', run: async (context) => await Promise.resolve(checkCgroups(context)) }]

function checkCgroups(context: DoctorContext): Finding[] {
  const cgroups = detectCgroups()
  const findings: Finding[] = []
  if (cgroups.version === 'v2') {
    findings.push(ok('cgroups.version', 'cgroup v2'))
  } else {
    findings.push(warn('cgroups.version', `cgroup ${cgroups.version}: rootless containers get no limits, and new distributions drop it`, 'boot with systemd.unified_cgroup_hierarchy=1 on the kernel command line', cgroups.version === 'hybrid' ? `on v2: ${cgroups.v2Controllers.join(', ') || 'no controllers'}` : ''))
  }
  const missing = WANTED.filter((controller) => !hasController(cgroups, controller))
  if (missing.length === 0) findings.push(ok('cgroups.controllers', `controllers ${WANTED.join(', ')} are there`))
  else findings.push(warn('cgroups.controllers', `no controller for ${missing.join(', ')}: such limits fail`, missing.includes('memory') ? 'boot with cgroup_enable=memory on the kernel command line' : 'use a kernel that has them (CONFIG_CGROUP_…)'))
  if (context.uid !== 0 && cgroups.version === 'v2') findings.push(checkDelegation(context))
  findings.push(ok('cgroups.manager', isSystemdManaging() ? 'systemd manages control groups' : 'no systemd here: cgroupfs manages control groups'))
  return findings
}

function checkDelegation({ uid }: DoctorContext): Finding {
  const delegated = readText(`/sys/fs/cgroup/user.slice/user-${uid}.slice/user@${uid}.service/cgroup.controllers`)?.trim().split(/\s+/) ?? []
  const missing = ['cpu', 'cpuset', 'io', 'memory', 'pids'].filter((controller) => !delegated.includes(controller))
  if (missing.length === 0) return ok('cgroups.delegation', 'all controllers are delegated to this user')
  return warn('cgroups.delegation', `not delegated to this user: ${missing.join(', ')}`, 'printf "[Service]\\nDelegate=cpu cpuset io memory pids\\n" | sudo install -D /dev/stdin /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload, then log in again')
}
