/** All flags that describe a container, and the ContainerSpec they ask for: one definition for run, create and pods. */
import { existsSync } from 'node:fs'
import type { InferredFlags } from '@oclif/core/interfaces'
import type { EngineConfig } from '../../config/containers-conf.ts'
import type { NamespaceKind } from '../../libpod/spec/parse/namespace-mode.ts'
import { parseNamespaceMode } from '../../libpod/spec/parse/namespace-mode.ts'
import type { ContainerSpec, NamespaceMode } from '../../libpod/types.ts'
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
  return {
    rawImageName: input.image,
    ...(input.command.length === 0 ? {} : { command: input.command }),
    ...fileSpec(effective, context),
    ...identitySpec(effective),
    ...isolationSpec(effective, defaultNamespaces(config)),
    ...await networkSpec(effective.network.length === 0 ? { ...effective, network: configuredNetwork(conf.netns) } : effective),
    ...processSpec(effective, context),
    ...resourceSpec(effective),
  }
}

function configuredNetwork(netns: string): string[] {
  return netns === '' || netns === 'private' || netns === 'bridge' ? [] : [netns]
}

/** On cgroup v1 a private cgroup namespace shows the container nothing it could use: podman shares the host's. */
function defaultNamespaces(config: EngineConfig): Record<NamespaceKind, NamespaceMode> {
  const conf = config.containers
  const cgroupns = conf.cgroupns || (existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'private' : 'host')
  return {
    pid: parseNamespaceMode('pid', conf.pidns || 'private'),
    ipc: parseNamespaceMode('ipc', conf.ipcns || 'shareable'),
    uts: parseNamespaceMode('uts', conf.utsns || 'private'),
    userns: parseNamespaceMode('userns', conf.userns || 'host'),
    cgroupns: parseNamespaceMode('cgroupns', cgroupns),
  }
}
