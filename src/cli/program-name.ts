import type { CommandContext } from './base-command.ts'

/** Scripts written for podman, docker or skopeo find the name they call in help and errors, and no hints of ours. */
export function programName(env: CommandContext['env']): string {
  const called = env['TPOD_CALLED_AS']
  return called === 'podman' || called === 'docker' || called === 'skopeo' ? called : 'tpod'
}

/** A help text in that name. */
export function inNameOf(program: string, text: string): string {
  if (program === 'tpod') return text
  // skopeo has at its top what is below `image` here.
  const flat = program === 'skopeo' ? text.replaceAll(/\btpod image (?=[a-z])/g, 'skopeo ') : text
  return flat.replaceAll(/\btpod\b/g, program)
}
