/** containers-common's (and docker's) seccomp profile format, made into the OCI one: conditions on architecture, kernel and capabilities resolved. */
import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { TpodError, errorCode, errorMessage } from '../../errors/tpod-error.ts'
import type { SeccompSpec, SeccompSyscall } from '../../oci/runtime-types.ts'

interface Conditions { caps?: string[]; arches?: string[]; minKernel?: string }
interface ProfileSyscall {
  name?: string
  names?: string[]
  action: string
  errnoRet?: number
  args?: { index: number; value: number; valueTwo?: number; op: string }[] | null
  includes?: Conditions | null
  excludes?: Conditions | null
}
interface Profile {
  defaultAction: string
  defaultErrnoRet?: number
  architectures?: string[] | null
  archMap?: { architecture: string; subArchitectures?: string[] | null }[] | null
  flags?: string[] | null
  listenerPath?: string
  listenerMetadata?: string
  syscalls?: ProfileSyscall[] | null
}

const defaultPaths = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json']

/**
 * @param path a profile, or undefined for the distribution's default; without one installed the container runs unconfined,
 * as under podman, and the result is undefined.
 * @param capabilities the container's bounding set: some calls are allowed only with the capability that they need.
 * Throws SECCOMP_PROFILE.
 */
export function loadSeccompProfile(path: string | undefined, capabilities: readonly string[], architecture: string = process.arch): SeccompSpec | undefined {
  const text = path === undefined ? readFirst(defaultPaths) : readProfile(path)
  if (text === undefined) return undefined
  return convertProfile(parseProfile(text, path ?? 'default'), capabilities, architecture)
}

export function convertProfile(profile: Profile, capabilities: readonly string[], architecture: string): SeccompSpec {
  const goArch = architecture === 'x64' ? 'amd64' : architecture === 'ia32' ? 'x86' : architecture
  const spec: SeccompSpec = { defaultAction: profile.defaultAction, syscalls: [] }
  if (profile.defaultErrnoRet !== undefined) spec.defaultErrnoRet = profile.defaultErrnoRet
  const architectures = architecturesFor(profile, goArch)
  if (architectures.length > 0) spec.architectures = architectures
  if (profile.flags && profile.flags.length > 0) spec.flags = profile.flags
  if (profile.listenerPath) spec.listenerPath = profile.listenerPath
  if (profile.listenerMetadata) spec.listenerMetadata = profile.listenerMetadata
  for (const call of profile.syscalls ?? []) {
    if (!applies(call, capabilities, goArch)) continue
    const names = call.names ?? (call.name === undefined ? [] : [call.name])
    if (names.length === 0) continue
    const rule: SeccompSyscall = { names, action: call.action }
    if (call.errnoRet !== undefined) rule.errnoRet = call.errnoRet
    if (call.args && call.args.length > 0) rule.args = call.args
    spec.syscalls.push(rule)
  }
  return spec
}

const ociArch: Readonly<Record<string, string>> = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64', x86: 'SCMP_ARCH_X86', arm: 'SCMP_ARCH_ARM', s390x: 'SCMP_ARCH_S390X', riscv64: 'SCMP_ARCH_RISCV64', ppc64: 'SCMP_ARCH_PPC64LE' }

function architecturesFor(profile: Profile, goArch: string): string[] {
  const native = ociArch[goArch]
  const mapped = profile.archMap?.find((entry) => entry.architecture === native)
  if (mapped !== undefined) return [mapped.architecture, ...(mapped.subArchitectures ?? [])]
  return profile.architectures ?? []
}

function applies(call: ProfileSyscall, capabilities: readonly string[], goArch: string): boolean {
  const { includes, excludes } = call
  if (excludes?.arches?.includes(goArch)) return false
  if (excludes?.caps?.some((name) => capabilities.includes(name))) return false
  if (excludes?.minKernel !== undefined && kernelAtLeast(excludes.minKernel)) return false
  if (includes?.arches?.length && !includes.arches.includes(goArch)) return false
  if (includes?.caps?.some((name) => !capabilities.includes(name))) return false
  return includes?.minKernel === undefined || kernelAtLeast(includes.minKernel)
}

function kernelAtLeast(wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number)
  const [ourMajor = 0, ourMinor = 0] = release().split(/[.-]/).map(Number)
  return ourMajor > major || (ourMajor === major && ourMinor >= minor)
}

function parseProfile(text: string, path: string): Profile {
  let profile: Partial<Profile>
  try {
    profile = JSON.parse(text) as Partial<Profile>
  } catch (error) {
    throw new TpodError('SECCOMP_PROFILE', `read seccomp profile ${path}: ${errorMessage(error)}`, { cause: error })
  }
  if (typeof profile?.defaultAction !== 'string') throw new TpodError('SECCOMP_PROFILE', `read seccomp profile ${path}: it has no defaultAction`)
  return profile as Profile
}

function readProfile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new TpodError('SECCOMP_PROFILE', `opening seccomp profile failed: open ${path}: ${errorCode(error) === 'ENOENT' ? 'no such file or directory' : errorMessage(error)}`, { cause: error })
  }
}

function readFirst(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') throw error
    }
  }
  return undefined
}
