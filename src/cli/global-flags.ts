/** Flags that every command takes, before or after its name; podman's names. */
import type { FlagInput } from '@oclif/core/interfaces'
import { bool, list, text, textOr } from './options.ts'

export const globalFlags = {
  'cgroup-manager': text('Cgroup manager to use ("cgroupfs"|"systemd")', { options: ['cgroupfs', 'systemd'] }),
  conmon: text('Path of the conmon binary', { complete: 'files' }),
  'log-level': textOr('warn', 'Log messages above specified level (trace, debug, info, warn, warning, error, fatal, panic)', {
    options: ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'fatal', 'panic'],
  }),
  noout: bool('do not output to stdout'),
  root: text('Path to the root directory in which data, including images, is stored', { complete: 'directories' }),
  runroot: text("Path to the 'run directory' where all state information is stored", { complete: 'directories' }),
  runtime: text('Path to the OCI-compatible binary used to run containers, or its name', { complete: 'commands' }),
  'storage-driver': text('Select which storage driver is used to manage storage of images and containers', { options: ['overlay', 'overlay2'] }),
  'storage-opt': list('Used to pass an option to the storage driver'),
  volumepath: text('Path to the volume directory in which volume data is stored', { complete: 'directories' }),
} satisfies FlagInput

export interface GlobalValues {
  'cgroup-manager': string | undefined
  conmon: string | undefined
  'log-level': string
  noout: boolean
  root: string | undefined
  runroot: string | undefined
  runtime: string | undefined
  'storage-driver': string | undefined
  'storage-opt': string[]
  volumepath: string | undefined
  /** --log-level debug or trace. */
  debug: boolean
}
