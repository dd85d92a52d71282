/** All commands. Loading one loads only its own module; the summary stands here too, so that group help loads none (a test compares). */
import type { CommandTable } from '../cli/command-entry.ts'

export const commandTable: CommandTable = {
  groups: [
    { path: 'container', summary: 'Manage containers' },
    { path: 'image', summary: 'Manage images' },
    { path: 'network', summary: 'Manage networks' },
    { path: 'system', summary: 'Manage tpod' },
    { path: 'volume', summary: 'Manage volumes' },
  ],
  commands: [
    { path: 'help', aliases: [], summary: 'Help about any command', load: () => import('./system/help.ts') },
    { path: 'version', aliases: [], summary: 'Display the tpod version information', load: () => import('./system/version.ts') },
  ],
}
