/**
 * What differs between two layers with all below them. The layers' diff directories are read themselves, without any mount:
 * a directory that both sides take from the same layers need not be looked into at all.
 */
import { TpodError } from '../errors/tpod-error.ts'
import { LayerStack } from './overlay/layer-stack.ts'
import type { StackDirectory, StackEntry } from './overlay/layer-stack.ts'
import { layerChain } from './store-context.ts'
import type { StoreContext } from './store-context.ts'
import { layerDirectory } from './store-paths.ts'
import type { LayerChange } from './types.ts'

/**
 * Changes of layer `toId` against `fromId`, or against its parent. As podman counts them: against the parent everything
 * that the layer holds itself, in the order of its names; against any other layer what its files' mode, owner, size, time or
 * attributes tell. Takes no lock: a layer deleted meanwhile ends it with an error. Throws NO_SUCH_LAYER.
 */
export function layerChanges(context: StoreContext, fromId: string | undefined, toId: string): LayerChange[] {
  const to = openStack(context, toId)
  try {
    if (fromId === undefined || to.layerIds[1] === fromId) return ownChanges(to)
    const from = openStack(context, fromId)
    try {
      return comparedChanges(from, to)
    } finally {
      from.close()
    }
  } finally {
    to.close()
  }
}

function openStack(context: StoreContext, layerId: string): LayerStack {
  const chain = layerChain(context, layerId)
  if (chain.length === 0) throw new TpodError('NO_SUCH_LAYER', `${layerId}: layer not known`)
  return LayerStack.open(chain.map(({ record, store }) => ({ id: record.id, path: `${layerDirectory(store.paths, record.id)}/diff` })))
}

/** What the top layer holds: whiteouts and replaced directories are deletions, the rest is new or changed. */
function ownChanges(stack: LayerStack): LayerChange[] {
  const changes: LayerChange[] = []
  const marked = new Set<string>()
  const markParents = (path: string): void => {
    const missing: string[] = []
    for (let parent = parentOf(path); parent !== ''; parent = parentOf(parent)) if (!marked.has(parent)) missing.push(parent)
    for (const parent of missing.toReversed()) {
      marked.add(parent)
      changes.push({ kind: 'C', path: parent })
    }
  }
  walkOwn(stack, ({ path, own, below, isOpaque }) => {
    const isDirectory = own.isDirectory()
    const kind = LayerStack.isWhiteout(own) || (isOpaque && below !== undefined) ? 'D' : below === undefined ? 'A' : 'C'
    if (kind === 'C' && isDirectory && below!.isDirectory() && isSameDirectory(own, below!)) return
    if (isDirectory) marked.add(path)
    if (kind !== 'C') markParents(path)
    changes.push({ kind, path })
  })
  return changes
}

interface OwnEntry { path: string; own: StackEntry['stat']; below: StackEntry['stat'] | undefined; isOpaque: boolean }

/** Each name of the top layer, depth first, with what the layers below have under it. */
function walkOwn(stack: LayerStack, visit: (entry: OwnEntry) => void): void {
  const visitAll = (own: StackDirectory, below: StackDirectory | undefined): void => {
    const others = below === undefined ? new Map<string, StackEntry>() : stack.list(below)
    for (const [name, entry] of stack.listLayer(own)) {
      const path = `${own.path}/${name}`
      const lower = others.get(name)
      visit({ path, own: entry.stat, below: lower?.stat, isOpaque: entry.isOpaque })
      if (entry.stat.isDirectory()) visitAll({ path, layers: own.layers }, lower?.directory)
    }
  }
  visitAll({ path: '', layers: [0] }, stack.below(stack.root()))
}

/** podman's naive comparison of two mounted trees. */
function comparedChanges(from: LayerStack, to: LayerStack): LayerChange[] {
  const changes: LayerChange[] = []
  const compare = (old: StackDirectory | undefined, now: StackDirectory, isListed: boolean): void => {
    const before = old === undefined ? new Map<string, StackEntry>() : from.list(old)
    const after = to.list(now)
    const start = changes.length
    for (const name of [...new Set([...before.keys(), ...after.keys()])].toSorted(byBytes)) {
      const path = `${now.path}/${name}`
      const [was, is] = [before.get(name), after.get(name)]
      if (is === undefined) {
        changes.push({ kind: 'D', path })
        continue
      }
      const kind = was === undefined ? 'A' : isSameSource(from, was, to, is) || !isDifferent(was, is) ? undefined : 'C'
      if (kind !== undefined) changes.push({ kind, path })
      if (is.directory === undefined || isSameDirectorySource(from, was?.directory, to, is.directory)) continue
      compare(was?.directory, is.directory, kind !== undefined)
    }
    // A directory counts as changed when anything in it is: a tar of the changes needs its entry.
    if (changes.length > start && !isListed) changes.splice(start, 0, { kind: 'C', path: now.path })
  }
  compare(from.root(), to.root(), true)
  return changes
}

/** The same file of the same layer. */
function isSameSource(from: LayerStack, was: StackEntry, to: LayerStack, is: StackEntry): boolean {
  return from.layerIds[was.layer] === to.layerIds[is.layer]
}

function isSameDirectorySource(from: LayerStack, was: StackDirectory | undefined, to: LayerStack, is: StackDirectory): boolean {
  if (was === undefined || was.layers.length !== is.layers.length) return false
  return was.layers.every((layer, index) => from.layerIds[layer] === to.layerIds[is.layers[index]!])
}

function isDifferent(was: StackEntry, is: StackEntry): boolean {
  const [a, b] = [was.stat, is.stat]
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true
  if (!a.isDirectory() && (!isSameTime(a.mtimeNs, b.mtimeNs) || a.size !== b.size)) return true
  return was.attributes() !== is.attributes()
}

function isSameDirectory(a: StackEntry['stat'], b: StackEntry['stat']): boolean {
  return a.size === b.size && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && isSameTime(a.mtimeNs, b.mtimeNs)
}

/** Archives often keep whole seconds only. */
function isSameTime(a: bigint, b: bigint): boolean {
  const second = 1_000_000_000n
  return a === b || (a / second === b / second && (a % second === 0n || b % second === 0n))
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'))
}

function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
