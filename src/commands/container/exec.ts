import { BaseCommand } from '../../cli/base-command.ts'
import { args, bool, csv, list, text, uint } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { latestContainer, latestFlag } from '../../cli/select-containers.ts'
import { leaveInterruptsToChild } from '../../cli/signals.ts'
import { parseEnvFlag, readEnvFile } from '../../libpod/spec/parse/env-flags.ts'

export default class Exec extends BaseCommand {
  static override summary = 'Run a process in a running container'
  static override description = 'Execute the specified command inside a running container.'
  static override usage = '[options] CONTAINER [COMMAND [ARG...]]'
  static override examples = ['tpod exec -it ctrID ls', 'tpod exec -it -w /tmp myCtr pwd', 'tpod exec --user root ctrID ls']
  static override passthrough = true
  static override args = { words: args('container', 'name or id, then the command and its words', { complete: 'running-containers' }) }
  static override flags = {
    detach: bool('Run the exec session in detached mode (backgrounded)', { char: 'd' }),
    env: list('Set environment variables', { char: 'e' }),
    'env-file': csv('Read in a file of environment variables', { complete: 'files' }),
    interactive: bool('Keep STDIN open even if not attached', { char: 'i' }),
    ...latestFlag,
    'preserve-fds': uint('Pass N additional file descriptors to the container', { default: 0 }),
    privileged: bool('Give the process extended Linux capabilities inside the container.  The default is false'),
    tty: bool('Allocate a pseudo-TTY. The default is false', { char: 't' }),
    user: text('Sets the username or UID used and optionally the groupname or GID for the specified command', { char: 'u' }),
    workdir: text('Working directory inside the container', { char: 'w' }),
  }

  async run(): Promise<number> {
    const { args: { words: typed }, flags } = await this.parse(Exec)
    const [container, ...command] = typed
    if (container === undefined) throw this.usageError('exec requires the name or ID of a container or the --latest flag')
    const engine = await this.openEngine()
    const name = flags.latest ? latestContainer(engine) : container
    const words = flags.latest ? typed : command
    if (words.length === 0) throw this.usageError('must provide a non-empty command to start an exec session')
    const { env } = this.context
    const request = {
      command: words, terminal: flags.tty, stdin: flags.interactive, privileged: flags.privileged, preserveFds: flags['preserve-fds'] ?? 0,
      env: [...flags['env-file'].flatMap((path) => readEnvFile(path, env)), ...flags.env.flatMap((item) => parseEnvFlag(item, env))],
      ...(flags.user === undefined ? {} : { user: flags.user }),
      ...(flags.workdir === undefined ? {} : { workingDir: flags.workdir }),
    }
    const { execContainer, execDetached } = await import('../../libpod/exec/exec-container.ts')
    if (flags.detach) {
      printLine(await execDetached(engine, name, request))
      return 0
    }
    leaveInterruptsToChild()
    return execContainer(engine, name, request, { stdin: 0, stdout: 1, stderr: 2 })
  }
}
