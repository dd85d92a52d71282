/** What the flag groups need besides the flags: the caller's environment and directory. */
export interface SpecContext {
  env: Readonly<Record<string, string | undefined>>
  /** Relative host paths of -v and --mount start here. */
  cwd: string
}
