/** What rootless containers need: subordinate ids, their helpers, permission for user namespaces. */
import { statSync } from 'node:fs'
import { findProgram, readSysctl, readText, systemPath } from '../probe.ts'
import { fail, install, ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

const ENOUGH_IDS = 65536
const SETUID_BIT = 0o4000

export const userChecks: readonly Check[] = [
  { id: 'users.subids', run: async (context) => await Promise.resolve(['uid', 'gid'].map((kind) => checkSubids(context, kind as 'uid' | 'gid'))) },
  { id: 'users.idmap', run: async (context) => await Promise.resolve(['newuidmap', 'newgidmap'].map((name) => checkIdmap(context, name))) },
  { id: 'users.namespaces', run: async (context) => await Promise.resolve(checkNamespaces(context)) },
]

/** Root needs none of it to run containers as root: then it is a warning at most. */
function problem(context: DoctorContext, id: string, summary: string, fix: string, detail = ''): Finding {
  return context.uid === 0 ? warn(id, `${summary} (only rootless use needs it)`, fix, detail) : fail(id, summary, fix, detail)
}

function checkSubids(context: DoctorContext, kind: 'uid' | 'gid'): Finding {
  const file = systemPath(context, `/etc/sub${kind}`)
  const id = `users.sub${kind}`
  const count = countIds(readText(file) ?? '', [context.userName, String(context.uid)])
  if (count >= ENOUGH_IDS) return ok(id, `${count} subordinate ${kind}s for ${context.userName}`)
  // Root's containers use ids of the host; only --userns=auto wants a range.
  if (context.uid === 0) return ok(id, `no subordinate ${kind}s for root: only --userns=auto needs them`)
  return fail(id, count === 0 ? `no subordinate ${kind}s for ${context.userName}` : `only ${count} subordinate ${kind}s for ${context.userName}`, `sudo usermod --add-sub${kind}s 100000-165535 ${context.userName}`, file)
}

/** Sum of the ranges in /etc/subuid or /etc/subgid that belong to one of the names. */
export function countIds(text: string, names: readonly string[]): number {
  let count = 0
  for (const line of text.split('\n')) {
    const [owner = '', , length = ''] = line.trim().split(':')
    if (names.includes(owner) && /^\d+$/.test(length)) count += Number(length)
  }
  return count
}

function checkIdmap(context: DoctorContext, name: string): Finding {
  const id = `users.${name}`
  const path = findProgram(context, name)
  if (path === undefined) return problem(context, id, `${name} is not installed`, install('uidmap', 'shadow-utils'))
  // File capabilities serve as well as the setuid bit; they show as an attribute that only getcap reads.
  const { mode, uid } = statSync(path)
  if ((mode & SETUID_BIT) !== 0 && uid === 0) return ok(id, `${path} is set up`)
  return ok(id, `${path} is there`, 'not setuid root: it needs file capabilities (getcap)')
}

function checkNamespaces(context: DoctorContext): Finding[] {
  const findings: Finding[] = []
  const most = readSysctl('user.max_user_namespaces')
  if (most === '0') findings.push(problem(context, 'users.max-namespaces', 'user namespaces are switched off', 'sysctl -w user.max_user_namespaces=28633'))
  else if (most === undefined) findings.push(problem(context, 'users.max-namespaces', 'this kernel has no user namespaces', 'use a kernel with CONFIG_USER_NS'))
  else findings.push(ok('users.max-namespaces', `up to ${most} user namespaces`))
  if (readSysctl('kernel.unprivileged_userns_clone') === '0') {
    findings.push(problem(context, 'users.unprivileged-namespaces', 'users may not make user namespaces', 'sysctl -w kernel.unprivileged_userns_clone=1'))
  }
  if (readSysctl('kernel.apparmor_restrict_unprivileged_userns') === '1') {
    findings.push(problem(context, 'users.apparmor-namespaces', 'AppArmor restricts user namespaces of programs without a profile', 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0\nor give tpod a profile with "userns," in /etc/apparmor.d'))
  }
  return findings
}
