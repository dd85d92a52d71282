/** How each runtime loads the addon: the one place where Bun's executable and Node differ for native code. */
import { createRequire } from 'node:module'

declare const Bun: unknown

export function loadAddon(): unknown {
  if (typeof Bun === 'undefined') {
    return createRequire(import.meta.url)('../../../native/build/Release/tpod.node')
  }
  // A literal require is what the bundler embeds into the executable.
  return require('../../../native/build/Release/tpod.node')
}
