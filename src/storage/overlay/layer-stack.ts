/**
 * Layers seen as one tree, as overlayfs would show them, read from their diff directories. The trees are an image's or a
 * running container's: directories are opened below each layer's own root (openat2, no symbolic links), never by path.
 */
import { closeSync, constants, lstatSync, readdirSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { errorCode } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'

const AT_FDCWD = -100
const RESOLVE_NO_SYMLINKS = 0x04
const RESOLVE_BENEATH = 0x08
const O_PATH = 0o10000000
const opaqueAttributes = ['trusted.overlay.opaque', 'user.overlay.opaque'] as const

/** A directory of the tree and the layers that have a part in it, top first. Paths are bytes as latin1 text, without the last slash. */
export interface StackDirectory {
  path: string
  layers: readonly number[]
}

export interface StackEntry {
  stat: BigIntStats
  /** The layer that it is seen from: an index of layerIds. */
  layer: number
  /** What is below in a directory. */
  directory?: StackDirectory
  /** Everything that the layers below have in it is hidden. */
  isOpaque: boolean
  /** Its extended attributes that an image keeps, as one text. */
  attributes(): string
}

interface OpenLayer { id: string; fd: number }

export class LayerStack {
  readonly #layers: readonly OpenLayer[]

  private constructor(layers: readonly OpenLayer[]) {
    this.#layers = layers
  }

  /** Top layer first; to be closed. Throws the system error of a layer that has no directory. */
  static open(layers: readonly { id: string; path: string }[]): LayerStack {
    const open: OpenLayer[] = []
    try {
      for (const { id, path } of layers) open.push({ id, fd: native.openat2(AT_FDCWD, path, O_PATH | constants.O_DIRECTORY, 0, 0) })
    } catch (error) {
      for (const { fd } of open) closeSync(fd)
      throw error
    }
    return new LayerStack(open)
  }

  /** A whiteout says that the layers below have something that is deleted. */
  static isWhiteout(stat: BigIntStats): boolean {
    return stat.isCharacterDevice() && stat.rdev === 0n
  }

  get layerIds(): readonly string[] {
    return this.#layers.map(({ id }) => id)
  }

  root(): StackDirectory {
    return { path: '', layers: this.#layers.map((_, index) => index) }
  }

  /** The directory without its topmost layer; undefined when there is no other. */
  below({ path, layers }: StackDirectory): StackDirectory | undefined {
    return layers.length < 2 ? undefined : { path, layers: layers.slice(1) }
  }

  /** What the directory shows, by name. Whiteouts are not shown, nor what they hide. */
  list(directory: StackDirectory): Map<string, StackEntry> {
    const shown = new Map<string, StackEntry>()
    /** Names that no layer further down can add to. */
    const closed = new Set<string>()
    for (const layer of directory.layers) {
      for (const [name, entry] of this.#readLayer(layer, directory.path)) {
        if (closed.has(name)) continue
        const above = shown.get(name)
        const isDirectory = entry.stat.isDirectory()
        if (above === undefined && !LayerStack.isWhiteout(entry.stat)) shown.set(name, entry)
        // A directory above is merged with directories only.
        else if (above !== undefined && isDirectory) above.directory = { path: above.directory!.path, layers: [...above.directory!.layers, layer] }
        if (!isDirectory || entry.isOpaque) closed.add(name)
      }
    }
    return shown
  }

  /** What the directory's topmost layer itself has, whiteouts too, in the order of the names' bytes. */
  listLayer({ path, layers }: StackDirectory): [string, StackEntry][] {
    return this.#readLayer(layers[0]!, path)
  }

  close(): void {
    for (const { fd } of this.#layers) closeSync(fd)
  }

  #readLayer(layer: number, path: string): [string, StackEntry][] {
    const fd = this.#openDirectory(layer, path)
    if (fd === undefined) return []
    try {
      const place = `/proc/self/fd/${fd}`
      const names = readdirSync(place, { encoding: 'buffer' }).map((name) => name.toString('latin1')).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
      return names.flatMap((name): [string, StackEntry][] => {
        const file = Buffer.from(`${place}/${name}`, 'latin1')
        const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false })
        if (stat === undefined) return []
        const child = `${path}/${name}`
        return [[name, {
          stat, layer, isOpaque: stat.isDirectory() && isOpaque(file),
          ...(stat.isDirectory() ? { directory: { path: child, layers: [layer] } } : {}),
          attributes: () => this.#attributes(layer, path, name),
        }]]
      })
    } finally {
      closeSync(fd)
    }
  }

  /** Undefined when it vanished, or is no directory any more: the container goes on working. */
  #openDirectory(layer: number, path: string): number | undefined {
    try {
      const relative = path === '' ? '.' : Buffer.from(path.slice(1), 'latin1')
      return native.openat2(this.#layers[layer]!.fd, relative, constants.O_RDONLY | constants.O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error) ?? '')) return undefined
      throw error
    }
  }

  #attributes(layer: number, path: string, name: string): string {
    const fd = this.#openDirectory(layer, path)
    if (fd === undefined) return ''
    try {
      const file = Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1')
      const names = native.listxattr(file).filter((each) => each === 'security.capability' || (each.startsWith('user.') && !each.startsWith('user.overlay.')))
      return names.toSorted().map((each) => `${each}=${native.getxattr(file, each)?.toString('hex') ?? ''}`).join('\n')
    } catch (error) {
      if (['ENOENT', 'ENOTSUP', 'EOPNOTSUPP', 'EPERM'].includes(errorCode(error) ?? '')) return ''
      throw error
    } finally {
      closeSync(fd)
    }
  }
}

function isOpaque(directory: Buffer): boolean {
  return opaqueAttributes.some((name) => {
    try {
      return native.getxattr(directory, name)?.toString('latin1') === 'y'
    } catch (error) {
      // Another user's trusted.* attributes are not for us to read, and such mounts do not use them.
      if (['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENODATA'].includes(errorCode(error) ?? '')) return false
      throw error
    }
  })
}
