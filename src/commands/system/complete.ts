import { BaseCommand } from '../../cli/base-command.ts'
import { args } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'

export default class Complete extends BaseCommand {
  static override summary = 'Words that may stand at the end of a command line; asked by the shells\' completion scripts'
  static override examples = ["tpod __complete run --net ''"]
  static override hidden = true
  static override passthrough = true
  static override args = { words: args('words', 'the command line without its first word, the last one unfinished') }

  async run(): Promise<void> {
    // Not parsed: these are another command's words.
    this.parsed = true
    const { completeWords } = await import('../../cli/complete.ts')
    writeOut((await completeWords(this.argv, this.context)).map((line) => `${line}\n`).join(''))
  }
}
