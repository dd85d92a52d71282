/** Kernel version, limits this process can hand on, and the security modules. */
import { release } from 'node:os'
import { readSecurityFacts } from '../../../host/security/security-facts.ts'
import { isOlder, parseVersion, readText } from '../probe.ts'
import { ok, warn, type Check, type DoctorContext, type Finding } from '../types.ts'

/** openat2 (5.6) keeps us inside a container's root file system, pidfd_open (5.3) waits for processes; overlay for users came with 5.11. */
const NEEDED_KERNEL = [5, 6]
const ROOTLESS_KERNEL = [5, 13]
const WANTED_FILES = 65_536

export const securityChecks: readonly Check[] = [
  { id: 'kernel', run: async (context) => await Promise.resolve([checkKernel(context)]) },
  { id: 'limits', run: async () => await Promise.resolve(checkLimits()) },
  { id: 'security', run: async () => await Promise.resolve(checkModules()) },
]

function checkKernel(context: DoctorContext): Finding {
  const version = release()
  if (isOlder(parseVersion(version), NEEDED_KERNEL)) return warn('kernel', `kernel ${version} is older than 5.6, the oldest tpod supports`, 'upgrade the distribution, or install its newer kernel (Debian: linux-image from backports)')
  if (context.uid !== 0 && isOlder(parseVersion(version), ROOTLESS_KERNEL)) return warn('kernel', `kernel ${version}: overlay for users came with 5.13`, 'install a newer kernel, or fuse-overlayfs')
  return ok('kernel', `kernel ${version}`)
}

function checkLimits(): Finding[] {
  const facts = readSecurityFacts()
  const files = facts.limits.get('RLIMIT_NOFILE')?.hard ?? 0
  const findings: Finding[] = []
  if (files >= WANTED_FILES || facts.mayRaiseLimits) findings.push(ok('limits.files', `containers can have ${Number.isFinite(files) ? files : 'any number of'} open files`))
  else findings.push(warn('limits.files', `at most ${files} open files: containers get that, not the usual 1048576`, 'echo "* hard nofile 1048576" >> /etc/security/limits.conf, and log in again', 'tpod clamps limits; podman fails unless containers.conf has default_ulimits = []'))
  if (facts.mayRaiseLimits) findings.push(ok('limits.raise', 'limits can be raised (CAP_SYS_RESOURCE)'))
  else findings.push(warn('limits.raise', 'no CAP_SYS_RESOURCE: --ulimit above the hard limit and a negative --oom-score-adj fail', 'run on the host itself, or give the surrounding container --cap-add SYS_RESOURCE'))
  return findings
}

function checkModules(): Finding[] {
  const facts = readSecurityFacts()
  const findings: Finding[] = [facts.hasSeccomp ? ok('security.seccomp', 'the kernel filters system calls (seccomp)') : warn('security.seccomp', 'this kernel has no seccomp: containers can make any system call', 'use a kernel with CONFIG_SECCOMP_FILTER')]
  if (facts.hasSelinux) {
    const mode = readText('/sys/fs/selinux/enforce')?.trim() === '1' ? 'enforcing' : 'permissive'
    findings.push(mode === 'enforcing' ? ok('security.selinux', 'SELinux is enforcing', 'volumes need :z or :Z') : warn('security.selinux', 'SELinux is permissive: it reports, and stops nothing', 'setenforce 1'))
  }
  if (facts.hasApparmor) findings.push(ok('security.apparmor', 'AppArmor is on'))
  if (!facts.hasSelinux && !facts.hasApparmor) findings.push(ok('security.modules', 'neither SELinux nor AppArmor is on'))
  return findings
}
