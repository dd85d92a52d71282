/** Flags of run and create about the process: environment, user, terminal, signals. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { TpodError } from '../../errors/tpod-error.ts'
import { ownVariables } from '../../host/process/self.ts'
import { parseEnvFlag, readEnvFile } from '../../libpod/spec/parse/env-flags.ts'
import { parseStopSignal, parseUmask } from '../../libpod/spec/parse/numbers.ts'
import type { ContainerSpec, EnvVar } from '../../libpod/types.ts'
import { bool, csv, list, text, uint } from '../options.ts'
import type { SpecContext } from './spec-context.ts'

export const processFlags = {
  entrypoint: text('Overwrite the default ENTRYPOINT of the image'),
  env: list('Set environment variables in container', { char: 'e' }),
  'env-file': csv('Read in a file of environment variables', { complete: 'files' }),
  'env-host': bool('Use all current host environment variables in container'),
  'group-add': csv("Add additional groups to the primary container process. 'keep-groups' allows container processes to use supplementary groups."),
  'http-proxy': bool('Set proxy environment variables in the container based on the host proxy vars', { default: true }),
  init: bool('Run an init binary inside the container that forwards signals and reaps processes'),
  'init-path': text('Path to the container-init binary', { complete: 'files' }),
  interactive: bool('Keep STDIN open even if not attached', { char: 'i' }),
  'stop-signal': text('Signal to stop a container. Default is SIGTERM'),
  'stop-timeout': uint('Timeout (in seconds) that containers stopped by user command have to exit. If exceeded, the container will be forcibly stopped via SIGKILL.'),
  timeout: uint('Maximum length of time a container is allowed to run. The container will be killed automatically after the time expires.', { default: 0 }),
  tty: bool('Allocate a pseudo-TTY for container', { char: 't' }),
  tz: text('Set timezone in container'),
  unsetenv: list('Unset environment default variables in container'),
  'unsetenv-all': bool('Unset all default environment variables in container'),
  umask: text('Set umask in container'),
  user: text('Username or UID (format: <name|uid>[:<group|gid>])', { char: 'u' }),
  workdir: text('Working directory inside the container', { char: 'w' }),
}

type Flags = InferredFlags<typeof processFlags>

type ProcessSpec = Pick<ContainerSpec, 'env' | 'envHost' | 'groupAdd' | 'init' | 'stdin' | 'terminal' | 'timeoutSec'> & Partial<ContainerSpec>

export function processSpec(flags: Flags, context: SpecContext): ProcessSpec {
  return {
    ...(flags.entrypoint === undefined ? {} : { entrypoint: parseEntrypoint(flags.entrypoint) }),
    env: environment(flags, context),
    envHost: flags['env-host'],
    ...(flags.unsetenv.length === 0 ? {} : { unsetEnv: flags.unsetenv }),
    ...(flags['unsetenv-all'] ? { unsetEnvAll: true } : {}),
    ...(flags['env-host'] ? { hostEnv: definedOnly(context.env) } : {}),
    groupAdd: flags['group-add'],
    httpProxy: flags['http-proxy'],
    init: flags.init || flags['init-path'] !== undefined,
    ...(flags['init-path'] === undefined ? {} : { initPath: flags['init-path'] }),
    stdin: flags.interactive,
    terminal: flags.tty,
    ...(flags['stop-signal'] === undefined ? {} : { stopSignal: parseStopSignal(flags['stop-signal']) }),
    ...(flags['stop-timeout'] === undefined ? {} : { stopTimeoutSec: flags['stop-timeout'] }),
    timeoutSec: flags.timeout ?? 0,
    ...(flags.tz === undefined ? {} : { timezone: flags.tz }),
    ...(flags.umask === undefined ? {} : { umask: parseUmask(flags.umask) }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.workdir === undefined ? {} : { workingDir: flags.workdir }),
  }
}

/** Later ones win: files in order, then --env in order. */
function environment(flags: Flags, context: SpecContext): EnvVar[] {
  const found = new Map<string, string>()
  const typed = [
    ...flags['env-file'].flatMap((path) => readEnvFile(path, context.env)),
    ...flags.env.flatMap((item) => parseEnvFlag(item, context.env)),
  ]
  for (const { name, value } of typed) found.set(name, value)
  return [...found].map(([name, value]) => ({ name, value }))
}

function definedOnly(env: SpecContext['env']): Record<string, string> {
  const hidden: readonly string[] = ownVariables
  return Object.fromEntries(Object.entries(env).filter((pair): pair is [string, string] => pair[1] !== undefined && !hidden.includes(pair[0])))
}

/** A JSON array of words, or one word; '' clears the image's. */
function parseEntrypoint(value: string): string[] {
  if (value === '') return []
  if (!value.startsWith('[')) return [value]
  try {
    const words: unknown = JSON.parse(value)
    if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return words
  } catch {
    return [value]
  }
  throw new TpodError('BAD_FLAG', `invalid value "${value}" for --entrypoint: a JSON array must hold strings only`)
}
