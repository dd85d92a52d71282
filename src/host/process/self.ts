/** How this program runs itself again: with load.ts the only place that knows one runtime from another. */
import { fileURLToPath } from 'node:url'

/** True inside the executable that Bun compiled. */
export function isCompiledExecutable(): boolean {
  return process.versions['bun'] !== undefined && (process.argv[1] ?? '').startsWith('/$bunfs/')
}

/** True where fetch is the runtime's native code and takes a `tls` option, as Bun's does. */
export function hasNativeFetch(): boolean {
  return process.versions['bun'] !== undefined
}

/** The environment of the program that we are part of: the library's default where its caller passes none. */
export function ownEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
}

/** What bin/tpod sets for short commands, and how it says by which name it was called: nothing that a container should see. */
export const ownVariables = ['BUN_JSC_useJIT', 'TPOD_CALLED_AS'] as const

/**
 * Starts this command anew with the JIT that bin/tpod left out, where it did; does not return then. For a command that turns out to
 * have heavy work to do, before it has done or printed anything.
 */
export function restartWithJit(): void {
  if (process.env['BUN_JSC_useJIT'] !== '0' || !isCompiledExecutable() || process.execve === undefined) return
  const { BUN_JSC_useJIT: _off, ...env } = process.env
  process.execve(process.execPath, [process.execPath, ...process.argv.slice(2)], env as Record<string, string>)
}

/**
 * The first words of a command line that runs this same tpod: the executable itself, or the runtime and main.ts.
 * Absolute, free of symlinks, and also right when tpod is used as a library by another program.
 */
export function selfCommand(): string[] {
  if (isCompiledExecutable()) return [process.execPath]
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
  return [process.execPath, fileURLToPath(new URL(`../../main${extension}`, import.meta.url))]
}
