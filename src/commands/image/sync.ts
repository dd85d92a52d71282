import { copyFlags, copyRequest, signFlags } from '../../cli/flags/copy.ts'
import { authfileFlag, deprecatedTlsFlag, registryEndpointFlags, transportRetryFlags } from '../../cli/flags/endpoints.ts'
import { transportFlags } from '../../cli/flags/transport-context.ts'
import { args, bool, text, textOr, uint } from '../../cli/options.ts'
import { writeError } from '../../cli/output.ts'
import { programName } from '../../cli/program-name.ts'
import { pullProgress } from '../../cli/progress.ts'
import { logrusLine } from '../../cli/skopeo/logrus.ts'
import { terminalColumns } from '../../cli/terminal.ts'
import { TransportCommand } from '../../cli/transport-command.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import type { SyncDestinationKind, SyncEvent, SyncSourceKind } from '../../image/sync/types.ts'

export default class ImageSync extends TransportCommand {
  static override summary = 'Copy all images of a repository, a directory or a list to another place'
  static override description = `Copy all the images from a SOURCE to a DESTINATION.

Allowed SOURCE transports (specified with --src): docker, dir, yaml.
Allowed DESTINATION transports (specified with --dest): docker, dir.

A YAML source has a mapping per registry: images (tags and digests), images-by-tag-regex, images-by-semver, images-newest
(how many, the newest by creation; or count, by: semver|created, tag-regex), tls-verify, cert-dir, credentials.`
  static override usage = '[options] SOURCE DESTINATION'
  static override examples = ['tpod image sync --src docker --dest dir --scoped registry.example.com/busybox /media/usb', 'tpod image sync --src yaml --dest docker --keep-going --parallel 4 --report failures.json images.yml registry.example.com/mirror']
  static override args = { place: args('place', 'source and destination') }
  static override flags = {
    ...authfileFlag, ...deprecatedTlsFlag, ...registryEndpointFlags('src-', 'screds'), ...registryEndpointFlags('dest-', 'dcreds'), ...transportRetryFlags,
    ...copyFlags, ...signFlags, ...transportFlags,
    'append-suffix': text('String to append to DESTINATION tags'),
    dest: textOr('', 'DESTINATION transport type', { char: 'd', complete: ['docker', 'dir'] }),
    digestfile: text('Write the digests and Image References of the resulting images to the specified file, separated by newlines', { complete: 'files' }),
    'dry-run': bool('Run without actually copying data'),
    'keep-going': bool('Do not abort the sync if any image copy fails'),
    parallel: uint('Copy so many images at once', { default: 1 }),
    report: text('Write what was synced and what failed to the specified file, as JSON', { complete: 'files' }),
    scoped: bool('Images at DESTINATION are prefix using the full source image path as scope'),
    src: textOr('', 'SOURCE transport type', { char: 's', complete: ['docker', 'dir', 'yaml'] }),
  }

  async run(): Promise<void> {
    const { args: words, flags } = await this.parse(ImageSync)
    const [from, to] = this.exactly(words.place, 2, 'Exactly two arguments expected') as [string, string]
    if (this.given.has('tls-verify')) await this.warnUser("'--tls-verify' is deprecated, instead use: --src-tls-verify, --dest-tls-verify")
    const sourceKind = kindOf<SyncSourceKind>('source', flags.src, ['docker', 'dir', 'yaml'])
    const destinationKind = kindOf<SyncDestinationKind>('destination', flags.dest, ['docker', 'dir'])
    const context = this.transportContext(flags)
    const columns = terminalColumns(2)
    const progress = pullProgress(columns === undefined || flags.parallel !== 1 ? { quiet: flags.parallel !== 1 } : { columns })
    const isSkopeo = programName(this.context.env) === 'skopeo'
    const { syncImages } = await import('../../image/sync/sync-images.ts')
    try {
      await syncImages(context, {
        sourceKind, destinationKind, from, to, ...copyRequest(flags), signContext: this.signContext(),
        source: this.endpoint(context, flags, 'src-'), destination: this.endpoint(context, flags, 'dest-'),
        scoped: flags.scoped, dryRun: flags['dry-run'], keepGoing: flags['keep-going'], parallel: Math.max(1, flags.parallel ?? 1),
        ...(flags['append-suffix'] === undefined ? {} : { appendSuffix: flags['append-suffix'] }),
        ...(flags.digestfile === undefined ? {} : { digestFile: flags.digestfile }), ...(flags.report === undefined ? {} : { reportFile: flags.report }),
        signal: this.signal, onProgress: progress.onProgress, onEvent: (event) => writeError(isSkopeo ? logrusLine(event.level, event.message, event.fields) : plainLine(event)),
      })
    } finally {
      progress.finish()
    }
  }
}

function kindOf<Kind extends string>(end: string, word: string, kinds: readonly Kind[]): Kind {
  if (word === '') throw new TpodError('BAD_FLAG', `A ${end} transport must be specified`)
  const kind = kinds.find((candidate) => candidate === word)
  if (kind === undefined) throw new TpodError('BAD_FLAG', `${JSON.stringify(word)} is not a valid ${end} transport`)
  return kind
}

function plainLine({ level, message, fields }: SyncEvent): string {
  const shown = Object.entries(fields).map(([name, value]) => `${name} ${value}`).join(', ')
  const line = `${level === 'info' ? '' : `${level === 'warning' ? 'Warning' : 'Error'}: `}${message}${shown === '' ? '' : ` (${shown})`}`
  // Names and reasons come from registries.
  return `${line.replace(/\p{Cc}/gu, '?')}\n`
}
