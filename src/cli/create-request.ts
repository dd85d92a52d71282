/** What `create` and `run` have in common: their flags, and the spec and options that these ask for. */
import type { InferredFlags } from '@oclif/core/interfaces'
import type { CreateOptions } from '../libpod/container/create-container.ts'
import type { Engine } from '../libpod/engine.ts'
import type { ContainerSpec } from '../libpod/types.ts'
import { buildContainerSpec, containerFlags } from './flags/container-spec.ts'
import { platformFlags, pullPolicyFlags, registryFlags, retryOptions } from './flags/image-choice.ts'
import { pullPolicy, wantedPlatform } from './image-context.ts'
import { type ProgressView, pullProgress } from './progress.ts'
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
  const spec = await buildContainerSpec({ ...request, config: engine.config }, { env, cwd: process.cwd() })
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
      onProgress: progress.onProgress,
      ...retryOptions(flags),
      ...(request.given.has('tls-verify') ? { tlsVerify: flags['tls-verify'] } : {}),
      ...(platform === undefined ? {} : { platform }),
    },
  }
  return { spec, options, progress }
}
