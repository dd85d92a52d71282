/** containers-registries.d(5): where signatures of registries' images lie. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode, errorMessage, TpodError } from '../errors/tpod-error.ts'
import { isJsonObject } from '../text/strict-json.ts'

export interface SignatureSection {
  /** URL, for reading and, without lookaside-staging, for writing. */
  lookaside?: string
  'lookaside-staging'?: string
  /** Their former names. */
  sigstore?: string
  'sigstore-staging'?: string
  'use-sigstore-attachments'?: boolean
}

export interface RegistriesD {
  /** The directory that was read; '' if there is none. */
  directory: string
  defaultDocker?: SignatureSection
  /** By scope: an image, repository, namespace or host. */
  docker: ReadonlyMap<string, SignatureSection>
  /** The file that has a scope's section; `default-docker` under ''. */
  files: ReadonlyMap<string, string>
}

export interface SignaturePlace {
  /** URL below which an image's signatures are read; absent: nothing is configured. */
  read?: string
  write?: string
  useSigstoreAttachments: boolean
}

/**
 * The files NAME.yaml of the first of `directories` that exists, merged. Throws REGISTRIES_D_INVALID for files that
 * cannot be read or parsed and for a scope that two of them have.
 */
export async function loadRegistriesD(directories: readonly string[]): Promise<RegistriesD> {
  for (const directory of directories) {
    let names: string[]
    try {
      names = await readdir(directory)
    } catch (cause) {
      if (errorCode(cause) === 'ENOENT') continue
      throw invalid(directory, errorMessage(cause), cause)
    }
    return mergeFiles(directory, names.filter((name) => name.endsWith('.yaml')).toSorted())
  }
  return { directory: '', docker: new Map(), files: new Map() }
}

/** For an image with these scopes (most specific first). A key that a section lacks is looked for in the next scope, as containers/image does. */
export function findSignaturePlace(config: RegistriesD, scopes: readonly string[]): SignaturePlace {
  const sections = [...scopes.map((scope) => config.docker.get(scope)), config.defaultDocker].filter((section) => section !== undefined)
  const read = sections.map(readingUrl).find((url) => url !== undefined)
  const write = sections.map(writingUrl).find((url) => url !== undefined)
  const useSigstoreAttachments = sections.map((section) => section['use-sigstore-attachments']).find((value) => value !== undefined) ?? false
  return { ...(read === undefined ? {} : { read }), ...(write === undefined ? {} : { write }), useSigstoreAttachments }
}

function readingUrl(section: SignatureSection): string | undefined {
  return section.lookaside || section.sigstore || undefined
}

function writingUrl(section: SignatureSection): string | undefined {
  return section['lookaside-staging'] || section['sigstore-staging'] || readingUrl(section)
}

async function mergeFiles(directory: string, names: readonly string[]): Promise<RegistriesD> {
  const docker = new Map<string, SignatureSection>()
  const files = new Map<string, string>()
  let defaultDocker: SignatureSection | undefined
  for (const name of names) {
    const path = join(directory, name)
    const text = await readFile(path, 'utf8').catch((cause: unknown) => {
      // Removed since the directory was listed.
      if (errorCode(cause) === 'ENOENT') return ''
      throw invalid(path, errorMessage(cause), cause)
    })
    const file = await parseRegistriesFile(text, path)
    if (file.defaultDocker !== undefined) {
      const other = files.get('')
      if (other !== undefined) throw twice('"default-docker"', other, path)
      defaultDocker = file.defaultDocker
      files.set('', path)
    }
    for (const [scope, section] of Object.entries(file.docker)) {
      const other = files.get(scope)
      if (scope === '' || other !== undefined) throw twice(`"docker" namespace ${JSON.stringify(scope)}`, other ?? path, path)
      docker.set(scope, section)
      files.set(scope, path)
    }
  }
  return { directory, docker, files, ...(defaultDocker === undefined ? {} : { defaultDocker }) }
}

/** One file. Unknown keys are passed over, as containers/image passes them over. Throws REGISTRIES_D_INVALID. */
export async function parseRegistriesFile(text: string, path: string): Promise<{ defaultDocker?: SignatureSection; docker: Record<string, SignatureSection> }> {
  const json = parsePlainYaml(text) ?? (await parseYaml(text, path)) ?? {}
  if (!isJsonObject(json)) throw invalid(path, 'not a YAML mapping')
  const docker = json['docker'] ?? {}
  if (!isJsonObject(docker)) throw invalid(path, 'docker is not a mapping')
  const fallback = json['default-docker'] ?? undefined
  return {
    ...(fallback === undefined ? {} : { defaultDocker: parseSection(fallback, 'default-docker', path) }),
    docker: Object.fromEntries(Object.entries(docker).map(([scope, section]) => [scope, parseSection(section ?? {}, scope, path)])),
  }
}

function parseSection(value: unknown, scope: string, path: string): SignatureSection {
  if (!isJsonObject(value)) throw invalid(path, `${scope} is not a mapping`)
  const section: SignatureSection = {}
  for (const key of ['lookaside', 'lookaside-staging', 'sigstore', 'sigstore-staging'] as const) {
    const url = value[key] ?? undefined
    if (url === undefined) continue
    if (typeof url !== 'string') throw invalid(path, `${key} of ${scope} is not a string`)
    section[key] = url
  }
  const use = value['use-sigstore-attachments'] ?? undefined
  if (use !== undefined && typeof use !== 'boolean') throw invalid(path, `use-sigstore-attachments of ${scope} is not true or false`)
  return use === undefined ? section : { ...section, 'use-sigstore-attachments': use }
}

/**
 * What such files are made of, and nothing else: nested `key:` lines and `key: plain value`; undefined for anything
 * beyond. Loading a YAML library takes longer than the rest of many commands.
 */
function parsePlainYaml(text: string): Record<string, unknown> | undefined {
  const root: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  const open: { indent: number; value: Record<string, unknown>; inner?: number; attach?: () => void }[] = [{ indent: -1, value: root }]
  for (const line of text.split('\n')) {
    if (/^\s*(?:#.*)?$/.test(line)) continue
    const match = /^( *)([A-Za-z0-9][\w.\-/:*@]*):(?: +([A-Za-z/][\w.\-/:~+%=@]*))? *(?: #.*)?$/.exec(line)
    if (match === null) return undefined
    const [, spaces = '', key = '', value] = match
    while ((open.at(-1)?.indent ?? -1) >= spaces.length) open.pop()
    const parent = open.at(-1)
    if (parent === undefined || (parent.inner ??= spaces.length) !== spaces.length || key in parent.value || key.endsWith(':')) return undefined
    // Words that YAML reads as something else than themselves.
    if (value !== undefined && (/^(?:y|n|yes|no|on|off|null|~)$/i.test(value) || value.endsWith(':'))) return undefined
    parent.attach?.()
    if (value !== undefined) parent.value[key] = /^true$/i.test(value) ? true : /^false$/i.test(value) ? false : value
    else {
      const child = Object.create(null) as Record<string, unknown>
      // Null, unless members follow.
      parent.value[key] = null
      open.push({ indent: spaces.length, value: child, attach: () => (parent.value[key] = child) })
    }
  }
  return root
}

async function parseYaml(text: string, path: string): Promise<unknown> {
  const { parse } = await import('yaml')
  try {
    return parse(text) as unknown
  } catch (cause) {
    throw invalid(path, errorMessage(cause).split('\n')[0] ?? '', cause)
  }
}

function twice(what: string, first: string, second: string): TpodError {
  return new TpodError('REGISTRIES_D_INVALID', `parsing signature storage configuration: ${what} defined both in ${JSON.stringify(first)} and ${JSON.stringify(second)}`, { remedy: 'leave it in one of the files' })
}

function invalid(path: string, why: string, cause?: unknown): TpodError {
  return new TpodError('REGISTRIES_D_INVALID', `parsing ${path}: ${why}`, { cause, remedy: 'see containers-registries.d(5)' })
}
