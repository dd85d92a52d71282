import { BaseCommand } from '../../cli/base-command.ts'
import { entryChanges, entryFlags, parseAnnotations } from '../../cli/flags/list-access.ts'
import { arg, bool, csv, text } from '../../cli/options.ts'
import { printLine } from '../../cli/output.ts'
import { annotateIndex, annotateManifestList } from '../../libpod/images/manifest-lists.ts'

const entryOnly: Readonly<Record<string, string>> = {
  arch: 'architecture', features: 'features', os: 'OS', 'os-features': 'OS features', 'os-version': 'OS version', variant: 'variant',
}

export default class ManifestAnnotate extends BaseCommand {
  static override summary = 'Add or update information about an entry in a manifest list or image index'
  static override description = 'Adds or updates information about an entry in a manifest list or image index, or with --index annotations of the index itself.'
  static override usage = '[options] LIST IMAGE'
  static override examples = ['tpod manifest annotate --annotation left=right mylist:v1.11 sha256:15352d97781ffdf357bf3459c037be3efac4133dc9070c2dce7eca7c05c3e736', 'tpod manifest annotate --index --annotation left=right mylist:v1.11']
  static override args = {
    list: arg('list', 'name or id of the list', { required: true, complete: 'images' }),
    image: arg('image', "the entry's digest, or an image of the local storage", { complete: 'images' }),
  }
  static override flags = {
    ...entryFlags,
    annotation: csv('set an annotation for the specified image', { value: 'annotation' }),
    index: bool('apply --annotation values to the image index itself'),
    'os-features': csv('override the OS features of the specified image', { value: 'features' }),
    subject: text('set the subject to which the image index refers', { value: 'subject' }),
  }

  async run(): Promise<void> {
    const { args: { list, image }, flags } = await this.parse(ManifestAnnotate)
    if (!flags.index && (flags.subject === undefined || image !== undefined)) {
      if (flags.subject !== undefined) throw this.usageError('setting subject for a manifest list requires no instance digest')
      if (image === undefined) throw this.usageError('requires at least 2 arg(s), only received 1')
      const engine = await this.openEngine()
      return printLine(await annotateManifestList(engine, list as string, image, entryChanges(flags, flags.annotation), this.signal))
    }
    if (image !== undefined) throw this.usageError('setting index-wide annotation in a manifest list requires no instance digest')
    const other = Object.keys(entryOnly).find((name) => this.given.has(name))
    if (other !== undefined) throw this.usageError(`setting ${entryOnly[other]} on an item in a manifest list requires an instance digest`)
    const engine = await this.openEngine()
    printLine(await annotateIndex(engine, list as string, {
      annotations: parseAnnotations(flags.annotation), endpoint: { signal: this.signal }, ...(flags.subject === undefined ? {} : { subject: flags.subject }),
    }))
  }
}
