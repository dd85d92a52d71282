/** The process object of an exec session, made from the container's own as it was started. */
import { readFileSync } from 'node:fs'
import { TpodError } from '../../errors/tpod-error.ts'
import type { CapabilitySets, ProcessSpec, RuntimeSpec } from '../../oci/runtime-types.ts'

export interface ExecRequest {
  command: readonly string[]
  /** The command's own terminal; its three descriptors must then be one. */
  terminal?: boolean
  /** Standard input is handed on. */
  stdin?: boolean
  env?: readonly { name: string; value: string }[]
  /** `user[:group]`; absent: the container's. */
  user?: string
  workingDir?: string
  privileged?: boolean
  /** Descriptors 3 … of the caller that the process keeps. */
  preserveFds?: number
}

/** Throws NO_SUCH_USER and the like; STATE_CORRUPT when the bundle is gone. */
export async function execProcess(bundle: string, rootPid: number, request: ExecRequest): Promise<ProcessSpec> {
  if (request.command.length === 0) throw new TpodError('NO_COMMAND', 'exec: must provide a non-empty command to start an exec session: invalid argument')
  if (request.workingDir !== undefined) {
    const { checkNotProc } = await import('../spec/container-files.ts')
    checkNotProc(request.workingDir)
  }
  const base = readProcess(bundle)
  const spec: ProcessSpec = {
    ...base, terminal: request.terminal ?? false, args: [...request.command], cwd: request.workingDir ?? base.cwd, env: [...base.env],
  }
  if (request.user !== undefined && request.user !== '') {
    const { lookupUser } = await import('../../host/user/lookup-user.ts')
    const user = lookupUser(`/proc/${rootPid}/root`, request.user)
    spec.user = { ...base.user, uid: user.uid, gid: user.gid, additionalGids: user.additionalGids }
    setVariable(spec.env, 'HOME', user.home === '' ? '/' : user.home)
  }
  if (request.terminal) setVariable(spec.env, 'TERM', 'xterm')
  for (const { name, value } of request.env ?? []) setVariable(spec.env, name, value)
  const capabilities = await execCapabilities(base, spec.user.uid, request.privileged === true)
  if (capabilities !== undefined) spec.capabilities = capabilities
  if (request.privileged) {
    delete spec.noNewPrivileges
    delete spec.apparmorProfile
  }
  return spec
}

/** 2^64-1, an unlimited rlimit, is no JavaScript number: Infinity here, as in the spec's encoder. */
function readProcess(bundle: string): ProcessSpec {
  const text = readFileSync(`${bundle}/config.json`, 'utf8')
  const spec = JSON.parse(text, (_key, value: unknown) => (typeof value === 'number' && value >= 2 ** 64 ? Number.POSITIVE_INFINITY : value)) as RuntimeSpec
  return spec.process
}

/** As podman: root has the container's bounding set, another user none but to regain by execve; inheritable stays empty (CVE-2022-27649). */
async function execCapabilities(base: ProcessSpec, uid: number, isPrivileged: boolean): Promise<CapabilitySets | undefined> {
  if (isPrivileged) {
    const { readSecurityFacts } = await import('../../host/security/security-facts.ts')
    const all = [...readSecurityFacts().boundingCapabilities]
    return { bounding: all, effective: all, permitted: all, inheritable: [], ambient: [] }
  }
  if (base.capabilities === undefined || uid === base.user.uid) return base.capabilities
  const { bounding } = base.capabilities
  const active = uid === 0 ? bounding : []
  return { bounding, effective: active, permitted: active, inheritable: [], ambient: [] }
}

function setVariable(env: string[], name: string, value: string): void {
  const entry = `${name}=${value}`
  const index = env.findIndex((one) => one.startsWith(`${name}=`))
  if (index < 0) env.push(entry)
  else env[index] = entry
}
