/** Where containers/storage keeps what; the only place that joins these names. */
import { existsSync, mkdirSync } from 'node:fs'
import { writeFileAtomicSync } from '../host/fs/write-file-atomic.ts'
import { noteNetworkBackend } from './network-backend.ts'

export interface StorePaths {
  readonly root: string
  readonly run: string
  readonly overlay: string
  readonly layers: string
  readonly images: string
  readonly containers: string
  /** Things half made or half deleted, each under a lock held for life; newer tools sweep it by the same rule. */
  readonly overlayTemporary: string
  readonly layersTemporary: string
  readonly runLayers: string
  readonly runContainers: string
}

export function storePaths(root: string, run: string): StorePaths {
  return {
    root,
    run,
    overlay: `${root}/overlay`,
    layers: `${root}/overlay-layers`,
    images: `${root}/overlay-images`,
    containers: `${root}/overlay-containers`,
    overlayTemporary: `${root}/overlay/tempdirs`,
    layersTemporary: `${root}/overlay-layers/tmp`,
    runLayers: `${run}/overlay-layers`,
    runContainers: `${run}/overlay-containers`,
  }
}

/**
 * Makes the directories that every writer needs; idempotent, one system call when they exist.
 * Never called for reading: `tpod ps` on a fresh machine leaves no trace.
 */
export function ensureStoreDirectories(paths: StorePaths): void {
  if (!existsSync(`${paths.overlay}/l`)) {
    for (const path of [paths.root, paths.layers, paths.images, paths.containers]) mkdirSync(path, { recursive: true, mode: 0o700 })
    noteNetworkBackend(paths.root)
    mkdirSync(`${paths.overlay}/l`, { recursive: true, mode: 0o755 })
    const marker = `${paths.overlay}/.has-mount-program`
    // Absent, the Go library would scan the store for foreign whiteouts.
    if (!existsSync(marker)) writeFileAtomicSync(marker, 'false')
  }
  if (!existsSync(paths.runLayers)) mkdirSync(paths.runLayers, { recursive: true, mode: 0o700 })
}

export function layerDirectory(paths: StorePaths, layerId: string): string {
  return `${paths.overlay}/${layerId}`
}

export function mergedDirectory(paths: StorePaths, layerId: string): string {
  return `${paths.overlay}/${layerId}/merged`
}

export function tarSplitPath(paths: StorePaths, layerId: string): string {
  return `${paths.layers}/${layerId}.tar-split.gz`
}

export function imageDirectory(paths: StorePaths, imageId: string): string {
  return `${paths.images}/${imageId}`
}

export function userdataDirectory(paths: StorePaths, containerId: string): string {
  return `${paths.containers}/${containerId}/userdata`
}

export function runUserdataDirectory(paths: StorePaths, containerId: string): string {
  return `${paths.runContainers}/${containerId}/userdata`
}

/** File name of a big-data key: itself if harmless, else `=` and base64. */
export function bigDataFileName(key: string): string {
  return /^[.0-9a-z]+$/.test(key) ? key : `=${Buffer.from(key).toString('base64')}`
}
