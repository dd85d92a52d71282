/** All flags that describe a container, and the ContainerSpec they ask for: one definition for run, create and pods. */
import type { InferredFlags } from '@oclif/core/interfaces'
import type { EngineConfig } from '../../config/containers-conf.ts'
import { configuredNetwork, defaultSpec } from '../../libpod/container-request.ts'
import type { ContainerSpec } from '../../libpod/types.ts'
import { fileFlags, fileSpec } from './files.ts'
import { identityFlags, identitySpec } from './identity.ts'
import { isolationFlags, isolationSpec } from './isolation.ts'
import { networkFlags, networkSpec } from './network.ts'
import { processFlags, processSpec } from './process.ts'
import { resourceFlags, resourceSpec } from './resources.ts'
import type { SpecContext } from './spec-context.ts'

export const containerFlags = { ...fileFlags, ...identityFlags, ...isolationFlags, ...networkFlags, ...processFlags, ...resourceFlags }

export type ContainerFlagValues = InferredFlags<typeof containerFlags>

export interface SpecInput {
  flags: ContainerFlagValues
  /** Names of flags that the user gave: the others may be overruled by containers.conf. */
  given: ReadonlySet<string>
  image: string
  /** Words after the image; none leaves the image's command. */
  command: readonly string[]
  config: EngineConfig
}

/** Throws BAD_FLAG naming the flag and its value. */
export async function buildContainerSpec(input: SpecInput, context: SpecContext): Promise<ContainerSpec> {
  const { flags, config } = input
  const conf = config.containers
  const effective: ContainerFlagValues = {
    ...flags,
    'env-host': flags['env-host'] || conf.envHost,
    'http-proxy': input.given.has('http-proxy') ? flags['http-proxy'] : conf.httpProxy,
    init: input.given.has('init') ? flags.init : conf.init,
    'no-hosts': flags['no-hosts'] || (conf.noHosts && flags['add-host'].length === 0),
  }
  const defaults = defaultSpec(config)
  return {
    ...defaults,
    rawImageName: input.image,
    ...(input.command.length === 0 ? {} : { command: input.command }),
    ...fileSpec(effective, context),
    ...identitySpec(effective),
    ...isolationSpec(effective, defaults),
    ...await networkSpec(effective.network.length === 0 ? { ...effective, network: configuredNetwork(conf) } : effective),
    ...processSpec(effective, context),
    ...resourceSpec(effective),
  }
}
