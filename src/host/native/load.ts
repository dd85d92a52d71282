/** How each runtime loads the addon: the one place where Bun's executable and Node differ for native code. */
import { createRequire } from 'node:module'

declare const Bun: { embeddedFiles: readonly { name: string }[] }

export function loadAddon(): unknown {
  if (typeof Bun === 'undefined') {
    return createRequire(import.meta.url)('../../../native/build/Release/tpod.node')
  }
  try {
    // A literal require is what the bundler embeds into the executable.
    return require('../../../native/build/Release/tpod.node')
  } catch (error) {
    const embedded = Bun.embeddedFiles.find(({ name }) => name.endsWith('.node'))
    if (embedded === undefined) throw error
    return loadFromCopy(`/$bunfs/root/${embedded.name}`, error)
  }
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
