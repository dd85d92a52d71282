/** How this program runs itself again: with load.ts the only place that knows one runtime from another. */
import { fileURLToPath } from 'node:url'

/** True inside the executable that Bun compiled. */
export function isCompiledExecutable(): boolean {
  return process.versions['bun'] !== undefined && (process.argv[1] ?? '').startsWith('/$bunfs/')
}

/** The environment of the program that we are part of: the library's default where its caller passes none. */
export function ownEnvironment(): Readonly<Record<string, string | undefined>> {
  return process.env
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
