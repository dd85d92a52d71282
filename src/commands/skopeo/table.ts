/** The command table under the name skopeo: the classes are those of `tpod image` and of the registries' logins. */
import type { CommandTable } from '../../cli/command-entry.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { bool } from '../../cli/options.ts'

export const skopeoTable: CommandTable = {
  globalFlags: {
    ...transportFlags,
    debug: bool('enable debug output'),
    'tls-verify': bool('Require HTTPS and verify certificates when accessing the registry', { hidden: true }),
  },
  groups: [],
  commands: [
    { path: '__complete', aliases: [], summary: 'Words that may stand at the end of a command line', hidden: true, load: () => import('../system/complete.ts') },
    { path: 'completion', aliases: [], summary: 'Generate shell autocompletions', hidden: true, load: () => import('../system/completion.ts') },
    { path: 'copy', aliases: [], summary: 'Copy an IMAGE-NAME from one location to another', load: () => import('../image/copy.ts') },
    { path: 'delete', aliases: [], summary: 'Delete image IMAGE-NAME', load: () => import('../image/delete.ts') },
    { path: 'generate-sigstore-key', aliases: [], summary: 'Generate a sigstore public/private key pair', load: () => import('./generate-sigstore-key.ts') },
    { path: 'help', aliases: [], summary: 'Help about any command', load: () => import('../system/help.ts') },
    { path: 'inspect', aliases: [], summary: 'Inspect image IMAGE-NAME', load: () => import('../image/inspect-remote.ts') },
    { path: 'list-tags', aliases: [], summary: 'List tags in the transport/repository specified by the SOURCE-IMAGE', load: () => import('../image/list-tags.ts') },
    { path: 'login', aliases: [], summary: 'Login to a container registry', load: () => import('../system/login.ts') },
    { path: 'logout', aliases: [], summary: 'Logout of a container registry', load: () => import('../system/logout.ts') },
    { path: 'manifest-digest', aliases: [], summary: 'Compute a manifest digest of a file', load: () => import('../image/manifest-digest.ts') },
    { path: 'standalone-sign', aliases: [], summary: 'Create a signature using local files', load: () => import('./standalone-sign.ts') },
    { path: 'standalone-verify', aliases: [], summary: 'Verify a signature using local files', load: () => import('./standalone-verify.ts') },
    { path: 'sync', aliases: [], summary: 'Synchronize one or more images from one location to another', load: () => import('../image/sync.ts') },
    { path: 'untrusted-signature-dump-without-verification', aliases: [], summary: 'Dump contents of a signature WITHOUT VERIFYING IT', hidden: true, load: () => import('./untrusted-signature-dump.ts') },
  ],
}
