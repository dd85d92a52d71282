/** Builds native/ into native/build/Release/tpod.node with node-gyp; does nothing when that is newer than the sources. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const nativeDirectory = join(root, 'native')
const built = join(nativeDirectory, 'build/Release/tpod.node')

function isUpToDate(): boolean {
  if (!existsSync(built)) return false
  const builtAt = statSync(built).mtimeMs
  const sources = readdirSync(join(nativeDirectory, 'src')).map((name) => join(nativeDirectory, 'src', name))
  return [join(nativeDirectory, 'binding.gyp'), ...sources].every((file) => statSync(file).mtimeMs < builtAt)
}

function hasHeaders(directory: string): boolean {
  return directory !== '' && existsSync(join(directory, 'include/node/node_api.h'))
}

/** Node's headers without a download: what npm was told, the pinned runtime's, the distribution's, the running node's. */
function findNodeDirectory(): string | undefined {
  let configured = ''
  try {
    configured = execFileSync('npm', ['config', 'get', 'nodedir'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    // npm may be missing where only the sources were copied to.
  }
  const pinned = join(root, 'node_modules', `node-linux-${process.arch}`)
  return [configured, pinned, '/usr', dirname(dirname(process.execPath))].find(hasHeaders)
}

if (!isUpToDate()) {
  const nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js')
  const nodeDirectory = findNodeDirectory()
  const args = ['configure', 'build', '--silent', ...(nodeDirectory === undefined ? [] : [`--nodedir=${nodeDirectory}`])]
  const result = spawnSync(process.execPath, [nodeGyp, ...args], { cwd: nativeDirectory, encoding: 'utf8' })
  if (result.status !== 0) {
    process.stderr.write(result.stdout + result.stderr)
    process.exitCode = 1
  }
}
