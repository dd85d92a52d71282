/** What `create` and `run` have in common: their flags, and the spec and options that these ask for. */
import type { InferredFlags } from '@oclif/core/interfaces'
import type { CreateOptions } from '../libpod/container/create-container.ts'
import { restartWithJit } from '../host/process/self.ts'
import type { Engine } from '../libpod/engine.ts'
import type { ContainerSpec } from '../libpod/types.ts'
import { buildContainerSpec, containerFlags } from './flags/container-spec.ts'
import { platformFlags, pullPolicyFlags, registryFlags, retryOptions } from './flags/image-choice.ts'
import { pullPolicy, wantedPlatform } from './image-context.ts'
import { type ProgressView, pullProgress } from './progress.ts'
import { printWarning } from './output.ts'
import { terminalColumns } from './terminal.ts'
import { imageContext } from '../libpod/image-context.ts'

export const createFlags = { ...containerFlags, ...platformFlags, ...pullPolicyFlags, ...registryFlags }

export interface CreateRequest {
  flags: InferredFlags<typeof createFlags>
  given: ReadonlySet<string>
  image: string
  command: readonly string[]
  engine: Engine
  env: Readonly<Record<string, string | undefined>>
  signal: AbortSignal
}

export async function createRequest(request: CreateRequest): Promise<{ spec: ContainerSpec; options: CreateOptions; progress: ProgressView }> {
  const { flags, engine, env, signal } = request
  const asked = await buildContainerSpec({ ...request, config: engine.config }, { env, cwd: process.cwd() })
  const spec = withoutUselessPorts(asked)
  if (flags['kernel-memory'] !== undefined) printWarning('The --kernel-memory flag is no longer supported. This flag is a noop.')
  const platform = wantedPlatform(flags)
  const columns = terminalColumns(2)
  const progress = pullProgress({ quiet: flags.quiet, ...(columns === undefined ? {} : { columns }) })
  const options: CreateOptions = {
    createCommand: ['tpod', ...process.argv.slice(2)],
    replace: flags.replace,
    signal,
    pull: {
      context: imageContext(engine, { authFile: flags.authfile }),
      policy: pullPolicy(request.given.has('pull') ? flags.pull : engine.config.engine.pullPolicy),
      onProgress: (event) => {
        // The first word of a pull: unpacking without a JIT takes twice as long.
        restartWithJit()
        progress.onProgress(event)
      },
      ...retryOptions(flags),
      ...(request.given.has('tls-verify') ? { tlsVerify: flags['tls-verify'] } : {}),
      ...(platform === undefined ? {} : { platform }),
    },
  }
  return { spec, options, progress }
}

/** Only a network of one's own can publish ports. */
function withoutUselessPorts(spec: ContainerSpec): ContainerSpec {
  if (spec.network.mode === 'bridge' || (spec.ports.length === 0 && !spec.publishAll)) return spec
  printWarning('Port mappings have been discarded as one of the Host, Container, Pod, and None network modes are in use')
  return { ...spec, ports: [], publishAll: false }
}
