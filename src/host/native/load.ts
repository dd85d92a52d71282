/** How each runtime loads the addon: the one place where Bun's executable and Node differ for native code. */
import { createRequire } from 'node:module'

declare const Bun: { embeddedFiles: readonly { name: string }[] }

export function loadAddon(): unknown {
  if (typeof Bun === 'undefined') return loadFromPackage()
  try {
    // A literal require is what the bundler embeds into the executable.
    return require('../../../native/build/Release/tpod.node')
  } catch (error) {
    const embedded = Bun.embeddedFiles.find(({ name }) => name.endsWith('.node'))
    if (embedded === undefined) return loadFromPackage()
    return loadFromCopy(`/$bunfs/root/${embedded.name}`, error)
  }
}

/** The sources in src/ and their compiled twins in dist/lib/ stand at different depths of the package. */
function loadFromPackage(): unknown {
  const root = import.meta.url.endsWith('.ts') ? '../../..' : '../../../..'
  return createRequire(import.meta.url)(`${root}/native/build/Release/tpod.node`)
}

/**
 * Bun's executable extracts the addon once to $TMPDIR/.bun-UID-HASH.node and takes that file again if owner and size
 * fit. It may be full of zeros (power cut), and /tmp may be read-only or noexec: then we copy the addon elsewhere,
 * under a name that is gone as soon as it is loaded.
 */
function loadFromCopy(source: string, cause: unknown): unknown {
  const fs = require('node:fs') as typeof import('node:fs')
  const content = fs.readFileSync(source)
  for (const directory of ['/dev/shm', '/var/tmp', '/run', '/tmp']) {
    const path = `${directory}/.tpod-${process.pid}-${Math.random().toString(36).slice(2)}.node`
    try {
      fs.writeFileSync(path, content, { mode: 0o700, flag: 'wx' })
      const module = { exports: {} }
      process.dlopen(module, path)
      return module.exports
    } catch {
      // The next directory may do; `cause` says what was wrong first.
    } finally {
      fs.rmSync(path, { force: true })
    }
  }
  throw cause
}
