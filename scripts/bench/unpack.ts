/**
 * How fast and in how much memory layers are unpacked: `node scripts/bench/unpack.ts DIRECTORY LAYER...` (or with bun).
 * All layers are unpacked at a time, each below DIRECTORY, which is emptied first. Compare runs in pairs.
 */
import { createReadStream, mkdirSync, rmSync } from 'node:fs'
import { stageLayer } from '../../src/archive/stage-layer.ts'

const [base, ...files] = process.argv.slice(2)
if (base === undefined || files.length === 0) throw new Error('usage: unpack.ts DIRECTORY LAYER...')
const directories = files.map((_, index) => `${base}/tpod-bench-${index}`)
for (const directory of directories) {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(`${directory}/diff`, { recursive: true })
}
const started = performance.now()
const contents = await Promise.all(files.map((file, index) => stageLayer(createReadStream(file), {
  directory: `${directories[index]}/diff`,
  tarSplitPath: `${directories[index]}/tar-split.gz`,
  whiteouts: 'overlay-trusted',
})))
const ms = performance.now() - started
const usage = process.resourceUsage()
const megabytes = contents.reduce((total, content) => total + content.diffSizeBytes, 0) / 1e6
console.log(`${ms.toFixed(0)} ms, ${megabytes.toFixed(0)} MB, ${((megabytes / ms) * 1000).toFixed(0)} MB/s, `
  + `CPU ${((usage.userCPUTime + usage.systemCPUTime) / 1000).toFixed(0)} ms, peak ${(usage.maxRSS / 1024).toFixed(0)} MB`)
for (const directory of directories) rmSync(directory, { recursive: true, force: true })
