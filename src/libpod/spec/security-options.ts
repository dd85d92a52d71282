/** --security-opt, read once into what the spec needs. */
import { TpodError } from '../../errors/tpod-error.ts'

export interface SecurityOptions {
  noNewPrivileges: boolean
  /** undefined: the default profile. */
  seccomp?: 'unconfined' | { path: string }
  /** undefined: the host's default. */
  apparmor?: string
  /** SELinux: `disable`, or parts to set. */
  labelDisabled: boolean
  labelParts: Readonly<Record<string, string>>
  /** Added to the masked paths. */
  mask: readonly string[]
  /** Taken from masked and read-only paths: paths, globs, or ALL. */
  unmask: readonly string[]
  procOptions: readonly string[]
}

/** `key=value`, docker's `key:value` too. Throws BAD_FLAG in podman's words. */
export function parseSecurityOptions(options: readonly string[]): SecurityOptions {
  const result = {
    noNewPrivileges: false, labelDisabled: false, labelParts: {} as Record<string, string>,
    mask: [] as string[], unmask: [] as string[], procOptions: [] as string[],
  } as { -readonly [Key in keyof SecurityOptions]: SecurityOptions[Key] } & { mask: string[]; unmask: string[]; procOptions: string[]; labelParts: Record<string, string> }
  for (const option of options) {
    const [key, value] = splitOption(option)
    switch (key) {
      case 'no-new-privileges': result.noNewPrivileges = value === '' || value === 'true'; break
      case 'seccomp': result.seccomp = value === 'unconfined' ? value : { path: required(option, value) }; break
      case 'apparmor': result.apparmor = required(option, value); break
      case 'label': applyLabel(result, option, value); break
      case 'mask': result.mask.push(...required(option, value).split(':')); break
      case 'unmask': result.unmask.push(...required(option, value).split(':')); break
      case 'systempaths':
        if (value !== 'unconfined') throw badOption(option)
        result.unmask.push('ALL')
        break
      case 'proc-opts': result.procOptions.push(...required(option, value).split(',')); break
      default: throw badOption(option)
    }
  }
  return result
}

function applyLabel(result: { labelDisabled: boolean; labelParts: Record<string, string> }, option: string, value: string): void {
  if (value === 'disable') {
    result.labelDisabled = true
    return
  }
  const match = /^(user|role|type|level|filetype)[:=](.+)$/.exec(value)
  if (match === null && value !== 'nested') throw badOption(option)
  if (match === null) throw new TpodError('BAD_FLAG', `invalid --security-opt ${JSON.stringify(option)}: label=nested is not supported yet`)
  result.labelParts[match[1] as string] = match[2] as string
}

function splitOption(option: string): [string, string] {
  const at = option.search(/[=:]/)
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)]
}

function required(option: string, value: string): string {
  if (value === '') throw badOption(option)
  return value
}

function badOption(option: string): TpodError {
  return new TpodError('BAD_FLAG', `invalid --security-opt ${JSON.stringify(option)}`, {
    remedy: 'no-new-privileges, seccomp=, label=, apparmor=, mask=, unmask= and proc-opts= are supported',
  })
}
