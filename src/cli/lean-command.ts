/**
 * Stands in for '@oclif/core/command' in the executable (tsconfig.bundle.json maps the module to this file). Our commands
 * override what oclif's class does (parsing, errors, help); merely loading it costs 12 ms, as much as all of `tpod ps`,
 * for it pulls in configuration, plugins and terminal colours. On Node, and for the type checker, commands extend oclif's own.
 */
export abstract class Command {
  static aliases: string[] = []
  static args = {}
  static flags = {}
  static description: string | undefined
  static examples: unknown[] = []
  static hidden = false
  static summary: string | undefined
  static usage: string | string[] | undefined

  argv: string[]
  config: unknown
  parsed = false

  constructor(argv: string[], config: unknown) {
    this.argv = argv
    this.config = config
  }
}
