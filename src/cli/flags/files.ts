/** Flags of run and create about files: volumes, mounts, devices. */
import type { InferredFlags } from '@oclif/core/interfaces'
import { parseDeviceFlag } from '../../libpod/spec/parse/device-flags.ts'
import { parseMountFlag, parseTmpfsFlag, parseVolumeFlag } from '../../libpod/spec/parse/mount-flags.ts'
import type { ContainerSpec } from '../../libpod/types.ts'
import { bool, csv, list, textOr } from '../options.ts'
import type { SpecContext } from './spec-context.ts'

export const fileFlags = {
  device: csv('Add a host device to the container', { complete: 'files' }),
  'device-cgroup-rule': csv('Add a rule to the cgroup allowed devices list'),
  'image-volume': textOr('bind', 'Tells tpod how to handle the builtin image volumes ("bind"|"tmpfs"|"ignore")', {
    options: ['bind', 'anonymous', 'tmpfs', 'ignore'], aliases: ['builtin-volume'],
  }),
  mount: list('Attach a filesystem mount to the container'),
  'read-only': bool('Make containers root filesystem read-only'),
  'read-only-tmpfs': bool('When running containers in read-only mode mount a read-write tmpfs on /run, /tmp and /var/tmp', { default: true }),
  tmpfs: list('Mount a temporary filesystem (tmpfs) into a container', { value: 'tmpfs' }),
  volume: list('Bind mount a volume into the container', { char: 'v', complete: 'volumes' }),
  'volumes-from': list('Mount volumes from the specified container(s)', { complete: 'containers' }),
}

type Flags = InferredFlags<typeof fileFlags>
type FileSpec = Pick<ContainerSpec, 'devices' | 'deviceCgroupRules' | 'imageVolumes' | 'mounts' | 'readOnly' | 'readOnlyTmpfs' | 'volumesFrom'>

export function fileSpec(flags: Flags, context: SpecContext): FileSpec {
  return {
    devices: flags.device.map(parseDeviceFlag),
    deviceCgroupRules: flags['device-cgroup-rule'],
    imageVolumes: flags['image-volume'] as ContainerSpec['imageVolumes'],
    mounts: [
      ...flags.mount.map((item) => parseMountFlag(item, context)),
      ...flags.volume.map((item) => parseVolumeFlag(item, context)),
      ...flags.tmpfs.map(parseTmpfsFlag),
    ],
    readOnly: flags['read-only'],
    readOnlyTmpfs: flags['read-only-tmpfs'],
    volumesFrom: flags['volumes-from'],
  }
}
