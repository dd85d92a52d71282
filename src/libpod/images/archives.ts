/** Images and containers as archives, by engine. Contracts and errors as in image/{save,load,import-image}.ts. */
import type { ImportOptions } from '../../image/archives/import-image.ts'
import type { LoadInput, LoadOptions } from '../../image/archives/load.ts'
import type { SaveOptions } from '../../image/archives/save.ts'
import type { Engine } from '../engine.ts'
import { imageContext } from '../image-context.ts'

export interface PolicyChoice {
  /** policy.json, instead of the user's or the system's; must exist. */
  signaturePolicy?: string | undefined
}

/** Writes the images to `path`. */
export async function saveImages(engine: Engine, names: readonly string[], path: string, { signaturePolicy, ...options }: SaveOptions & PolicyChoice = {}): Promise<void> {
  const { saveImages: save } = await import('../../image/archives/save.ts')
  await save(imageContext(engine, { signaturePolicy }), names, path, options)
}

/** Names of what was loaded. An http(s) URL is fetched first. */
export async function loadImages(engine: Engine, input: LoadInput, { signaturePolicy, ...options }: LoadOptions & PolicyChoice = {}): Promise<string[]> {
  const context = imageContext(engine, { signaturePolicy })
  const { loadImages: load } = await import('../../image/archives/load.ts')
  if (typeof input !== 'string' || !/^https?:\/\//.test(input)) return load(context, input, options)
  const { downloadToFile } = await import('../../image/archives/download.ts')
  const { fd } = await downloadToFile(context, input, options.signal === undefined ? {} : { signal: options.signal })
  return load(context, { fd, shownAs: input }, options)
}

export interface ImportImageOptions extends Omit<ImportOptions, 'config'>, PolicyChoice {
  /** Dockerfile instructions: `CMD ["sh"]`, `ENV A=b`, … Throws BAD_CHANGE. */
  changes?: readonly string[]
}

/** The new image's id. */
export async function importImage(engine: Engine, source: string, { signaturePolicy, changes = [], ...options }: ImportImageOptions = {}): Promise<string> {
  const { importImage: importInto } = await import('../../image/archives/import-image.ts')
  const { applyConfigChanges } = await import('../../image/archives/config-changes.ts')
  return importInto(imageContext(engine, { signaturePolicy }), source, changes.length === 0 ? options : { ...options, config: applyConfigChanges(changes) })
}
