import { BaseCommand } from '../../cli/base-command.ts'
import { arg, text } from '../../cli/options.ts'
import { writeOut } from '../../cli/output.ts'
import { programName } from '../../cli/program-name.ts'
import { TpodError } from '../../errors/tpod-error.ts'

export default class Completion extends BaseCommand {
  static override summary = 'Generate shell autocompletions'
  static override description = 'Prints the completion script for a shell. The scripts ask tpod itself, so they stay right when it is updated.'
  static override usage = '[options] SHELL'
  static override examples = ['tpod completion bash > /etc/bash_completion.d/tpod', 'tpod completion zsh > "${fpath[1]}/_tpod"', 'tpod completion fish > ~/.config/fish/completions/tpod.fish']
  static override args = { shell: arg('shell', 'bash, zsh or fish', { required: true, complete: ['bash', 'zsh', 'fish'] }) }
  static override flags = { file: text('Write to a file instead of standard output', { char: 'f', complete: 'files' }) }

  async run(): Promise<void> {
    const { args: { shell }, flags } = await this.parse(Completion)
    const { completionScript } = await import('../../cli/completion-scripts.ts')
    // skopeo's own command line has another name to hang the script on; podman's and docker's names are theirs.
    const name = programName(this.context.env) === 'skopeo' ? 'skopeo' : 'tpod'
    const script = completionScript(shell as string)?.replaceAll('tpod', name)
    if (script === undefined) throw new TpodError('BAD_ARGUMENT', `no completion script for "${shell}"`, { remedy: 'choose bash, zsh or fish' })
    if (flags.file === undefined) return writeOut(script)
    const { writeFileSync } = await import('node:fs')
    writeFileSync(flags.file, script)
  }
}
