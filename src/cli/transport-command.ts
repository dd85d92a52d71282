/** Base of the commands that reach images without an engine: what skopeo has, under either name. */
import { TpodError } from '../errors/tpod-error.ts'
import type { OpenSignersOptions } from '../image/trust/open-signers.ts'
import type { EndpointOptions, StorePlace, TransportContext } from '../image/types.ts'
import { credentialsFor, openTransportContext } from '../libpod/transport-context.ts'
import { BaseCommand, wrongCount } from './base-command.ts'
import { endpointOf, type FlagValues, optional } from './flags/endpoints.ts'
import { writeError } from './output.ts'
import { parseFlagDurationMs } from './parse-duration.ts'
import { programName } from './program-name.ts'
import { version } from './version.ts'

export abstract class TransportCommand extends BaseCommand {
  #deadline: AbortSignal | undefined

  /** Aborted by signals and by --command-timeout. */
  protected override get signal(): AbortSignal {
    return this.#deadline ?? super.signal
  }

  /** What the flags of cli/flags/transport-context.ts ask for; starts the clock of --command-timeout. */
  protected transportContext(flags: FlagValues): TransportContext {
    const value = (name: string): string | undefined => (flags[name] as string | undefined) || undefined
    this.#startClock(value('command-timeout'))
    const platform = { os: value('override-os'), architecture: value('override-arch'), variant: value('override-variant') }
    const isOverridden = Object.values(platform).some((item) => item !== undefined)
    const agent = `${programName(this.context.env)}/${version}`
    const prefix = value('user-agent-prefix')
    return openTransportContext({
      env: this.context.env,
      ...optional('policyPath', value('policy')), ...optional('registriesDirectory', value('registries.d')),
      ...optional('registriesConf', value('registries-conf')), ...optional('temporaryDirectory', value('tmpdir')),
      insecurePolicy: flags['insecure-policy'] === true,
      ...(isOverridden ? { platform: Object.fromEntries(Object.entries(platform).filter(([, item]) => item !== undefined)) } : {}),
      userAgent: prefix === undefined ? agent : `${prefix} ${agent}`,
      store: this.#usualStore(),
    })
  }

  /** How the end with that prefix is reached, its credentials included. */
  protected endpoint(context: TransportContext, flags: FlagValues, prefix: string): EndpointOptions {
    const globals = this.globals as unknown as FlagValues
    const { options, credentials } = endpointOf(flags, prefix, this.given)
    return {
      // `skopeo --tls-verify=false COMMAND`, where the command's own flags say nothing.
      ...(globals['tls-verify'] === undefined || this.context.globalArgv.every((word) => !word.startsWith('--tls-verify')) ? {} : { tlsVerify: globals['tls-verify'] === true }),
      ...options,
      ...(credentials === undefined ? {} : { credentials: credentialsFor(this.context.env, context.registries, credentials) }),
      signal: this.signal,
    }
  }

  /** What makes signatures beside their keys; a passphrase is asked for where no file has it. */
  protected signContext(): OpenSignersOptions {
    return {
      env: this.context.env, signal: this.signal, creator: `tpod/${version}`,
      askPassphrase: async (keyFile) => (await import('./ask-passphrase.ts')).askPassphrase(keyFile, this.signal),
    }
  }

  /** A wrong number of words: the message is skopeo's. */
  protected exactly<Count extends 1 | 2 | 3 | 4>(words: readonly string[], count: Count, message: string): string[] {
    if (words.length !== count) throw new TpodError('USAGE', programName(this.context.env) === 'skopeo' ? message : wrongCount(words.length, count, count))
    return [...words]
  }

  /** In the program's own style, on standard error. */
  protected async warnUser(message: string): Promise<void> {
    if (programName(this.context.env) !== 'skopeo') return writeError(`${message}\n`)
    const { logrusLine } = await import('./skopeo/logrus.ts')
    writeError(logrusLine('warning', message))
  }

  #startClock(timeout: string | undefined): void {
    if (timeout === undefined || this.#deadline !== undefined) return
    const ms = parseFlagDurationMs('command-timeout', timeout)
    if (ms <= 0) return
    const controller = new AbortController()
    setTimeout(() => controller.abort(new TpodError('TIMEOUT', `--command-timeout ${timeout}: context deadline exceeded`)), ms).unref()
    this.#deadline = AbortSignal.any([super.signal, controller.signal])
  }

  /** tpod's own --root and --runroot; skopeo has none. */
  #usualStore(): StorePlace {
    const { root, runroot } = this.globals
    const [driver, storageOpts] = [this.globals['storage-driver'], this.globals['storage-opt']]
    return {
      ...optional('graphRoot', root), ...optional('runRoot', runroot), ...optional('driver', driver),
      ...(storageOpts === undefined || storageOpts.length === 0 ? {} : { options: storageOpts }),
    }
  }
}
