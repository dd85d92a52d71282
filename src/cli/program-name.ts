import type { CommandContext } from './base-command.ts'

/** Scripts written for podman or docker find the name they call in help and errors, and no hints of ours. */
export function programName(env: CommandContext['env']): string {
  const called = env['TPOD_CALLED_AS']
  return called === 'podman' || called === 'docker' ? called : 'tpod'
}

/** A help text in that name. */
export function inNameOf(program: string, text: string): string {
  return program === 'tpod' ? text : text.replaceAll(/\btpod\b/g, program)
}
