/** Small looks at the machine that several checks share. None of them throws. */
import { readFileSync } from 'node:fs'
import { errorMessage } from '../../errors/tpod-error.ts'
import { findExecutable } from '../../host/process/find-executable.ts'
import { runCommand } from '../../host/process/run.ts'
import type { DoctorContext } from './types.ts'

const SYSTEM_DIRECTORIES = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/libexec/podman', '/usr/lib/podman', '/usr/local/libexec/podman']
const PROBE_TIMEOUT_MS = 10_000

export interface ProbeResult {
  isOk: boolean
  stdout: string
  /** What it said on standard error, or why it did not run. */
  complaint: string
}

/** Undefined when there is no such file, or it may not be read. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** A sysctl's value without white space around it; undefined where the kernel has none of that name. */
export function readSysctl(name: string): string | undefined {
  return readText(`/proc/sys/${name.replaceAll('.', '/')}`)?.trim()
}

export function systemPath(context: DoctorContext, path: string): string {
  const root = context.systemRoot ?? '/'
  return root === '/' ? path : `${root}${path}`
}

/** sbin is searched whatever PATH says: users of `su` have none there. */
export function findProgram(context: DoctorContext, name: string): string | undefined {
  return findExecutable(name, [...context.path, ...SYSTEM_DIRECTORIES])
}

export async function probe(file: string, args: readonly string[], input?: string): Promise<ProbeResult> {
  try {
    const result = await runCommand(file, args, { timeoutMs: PROBE_TIMEOUT_MS, ...(input === undefined ? {} : { input }) })
    return { isOk: result.exitCode === 0, stdout: result.stdout.toString(), complaint: result.stderr.toString().trim() }
  } catch (error) {
    return { isOk: false, stdout: '', complaint: errorMessage(error) }
  }
}

/** First line of `--version`, or ''. */
export async function readVersion(file: string): Promise<string> {
  return (await probe(file, ['--version'])).stdout.split('\n')[0]?.trim() ?? ''
}

/** `5.15.3` of `conmon version 5.15.3+dfsg` as numbers; [] when there is none. */
export function parseVersion(text: string): number[] {
  return /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text)?.slice(1).map((part) => Number(part ?? 0)) ?? []
}

export function isOlder(version: readonly number[], than: readonly number[]): boolean {
  for (const [index, wanted] of than.entries()) {
    const actual = version[index] ?? 0
    if (actual !== wanted) return actual < wanted
  }
  return false
}
