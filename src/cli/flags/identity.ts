/** Flags of run and create about name, labels, files with ids, logging and the container's end. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { TpodError } from '../../errors/tpod-error.ts'
import { parseKeyValue, parseLabelFlag, readLabelFile } from '../../libpod/spec/parse/env-flags.ts'
import type { ContainerSpec } from '../../libpod/types.ts'
import { bool, csv, list, text } from '../options.ts'

const logDrivers = ['k8s-file', 'json-file', 'journald', 'none', 'passthrough'] as const

export const identityFlags = {
  annotation: csv('Add annotations to container (key=value)'),
  cidfile: text('Write the container ID to the file', { complete: 'files' }),
  hostname: text('Set container hostname', { char: 'h' }),
  label: list('Set metadata on container', { char: 'l' }),
  'label-file': csv('Read in a line delimited file of labels', { complete: 'files' }),
  'conmon-pidfile': text('Path to the file that will receive the PID of conmon', { complete: 'files' }),
  'log-driver': text('Logging driver for the container: k8s-file, json-file, journald, none or passthrough'),
  'log-opt': csv('Logging driver options'),
  'disable-content-trust': bool('This is a Docker specific option and is a NOOP'),
  name: text('Assign a name to the container'),
  'no-healthcheck': bool('Disable healthchecks on container'),
  pidfile: text('Write the container process ID to the file', { complete: 'files' }),
  replace: bool('If a container with the same name exists, replace it'),
  restart: text('Restart policy to apply when a container exits ("no" alone is supported)', { options: ['no'] }),
  rm: bool('Remove container after exit'),
}

type Flags = InferredFlags<typeof identityFlags>
type IdentitySpec = Pick<ContainerSpec, 'annotations' | 'labels' | 'logOptions' | 'remove' | 'sdnotify'> & Partial<ContainerSpec>

export function identitySpec(flags: Flags): IdentitySpec {
  if (flags.replace && flags.name === undefined) {
    throw new TpodError('BAD_FLAG', 'cannot replace container without --name being set')
  }
  return {
    annotations: Object.fromEntries(flags.annotation.map((item) => parseKeyValue('annotation', item))),
    ...(flags.cidfile === undefined ? {} : { cidfile: flags.cidfile }),
    ...(flags.hostname === undefined ? {} : { hostname: flags.hostname }),
    labels: {
      ...Object.assign({}, ...flags['label-file'].map(readLabelFile)) as Record<string, string>,
      ...Object.fromEntries(flags.label.map((item) => parseLabelFlag(item))),
    },
    ...(flags['conmon-pidfile'] === undefined ? {} : { conmonPidfile: flags['conmon-pidfile'] }),
    ...(flags['log-driver'] === undefined ? {} : { logDriver: logDriver(flags['log-driver']) }),
    logOptions: Object.fromEntries(flags['log-opt'].map((item) => parseKeyValue('log-opt', item))),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.pidfile === undefined ? {} : { pidfile: flags.pidfile }),
    remove: flags.rm,
    sdnotify: 'ignore',
  }
}

function logDriver(typed: string): (typeof logDrivers)[number] {
  const found = logDrivers.find((driver) => driver === typed)
  if (found === undefined) throw new TpodError('BAD_FLAG', 'running container create option: invalid log driver: invalid argument')
  return found
}
