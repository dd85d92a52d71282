/**
 * Compiled seccomp filters. libseccomp needs some 12 ms of processor time to compile the default profile, more than all else
 * that crun does for a container, and the result is the same each time. crun leaves it in its state directory, and takes it
 * back through the annotation run.oci.seccomp_bpf_data (crun(1)); a crun without that annotation compiles as ever, for the
 * profile stays in the spec. The cache lies in the run directory, which only root can write to.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, readdirSync, statSync, unlinkSync } from 'node:fs'
import { errorCode } from '../errors/tpod-error.ts'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import type { SeccompSpec } from '../oci/runtime-types.ts'

export const seccompAnnotation = 'run.oci.seccomp_bpf_data'

/** struct sock_filter; the kernel takes at most 4,096 of them. */
const instructionBytes = 8
const maximumInstructions = 4096
const maximumEntries = 64

/** Where the filter of this profile lies, or undefined for a runtime or a profile that cannot use one. */
export function seccompCachePath(directory: string, runtime: { name: string; path: string }, seccomp: SeccompSpec | undefined): string | undefined {
  // A listener's profile needs more of the runtime than the filter.
  if (seccomp === undefined || seccomp.listenerPath !== undefined || runtime.name !== 'crun') return undefined
  const { ino, mtimeMs, size } = statSync(runtime.path)
  const key = createHash('sha256').update(`${runtime.path}\n${ino} ${mtimeMs} ${size}\n`).update(JSON.stringify(seccomp)).digest('hex')
  return `${directory}/${key}`
}

/** The annotation's value; undefined when the filter is not known yet. */
export function readCompiledFilter(path: string): string | undefined {
  try {
    const filter = readFileSync(path)
    return isFilter(filter) ? filter.toString('base64') : undefined
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Takes over what the runtime compiled for a container that it has created. A runtime that keeps no filter there is no error. */
export function keepCompiledFilter(path: string, runtimeStateDirectory: string): void {
  let filter: Buffer
  try {
    filter = readFileSync(`${runtimeStateDirectory}/seccomp.bpf`)
  } catch {
    return
  }
  if (!isFilter(filter)) return
  const directory = path.slice(0, path.lastIndexOf('/'))
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const entries = readdirSync(directory)
  // Capabilities make profiles differ, but not many of them: a full cache is someone's script, so start anew.
  if (entries.length >= maximumEntries) for (const name of entries) unlinkSync(`${directory}/${name}`)
  writeFileAtomicSync(path, filter, { sync: false })
}

function isFilter(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.length % instructionBytes === 0 && bytes.length <= instructionBytes * maximumInstructions
}
