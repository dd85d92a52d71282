import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const source = join(import.meta.dirname, '../../src')

/** docs/ARCHITECTURE.md, "Layers": a file imports only from ranks below its folder's; equals don't import each other. */
const ranks: readonly (readonly string[])[] = [
  ['errors'], ['text', 'oci'], ['host'], ['config', 'archive'], ['storage', 'network', 'ociruntime'],
  ['image'], ['libpod'], ['debug'], ['cli'], ['commands'], ['main.ts', 'index.ts'],
]

const rankOf = new Map(ranks.flatMap((names, rank) => names.map((name) => [name, rank] as const)))

function layerOf(file: string): string {
  return file.split('/')[0] as string
}

/** `import … from 'x'`, `export … from 'x'`, `import('x')`, also across lines. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found = text.matchAll(/(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(['"])(\.[^'"]+)\1/g)
  return [...found].map((match) => relative(source, join(source, dirname(file), match[2] as string)))
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

test('every folder has its place in the order', () => {
  assert.deepEqual([...new Set(files.map(layerOf))].filter((layer) => !rankOf.has(layer)), [])
})

test('imports point down the layers', () => {
  const wrong: string[] = []
  for (const file of files) {
    for (const target of importsOf(file)) {
      const [from, to] = [layerOf(file), layerOf(target)]
      if (from === to) continue
      const [upper, lower] = [rankOf.get(from) ?? -1, rankOf.get(to) ?? -1]
      if (lower >= upper) wrong.push(`${file} → ${target} (${from} must not know ${to})`)
    }
  }
  assert.deepEqual(wrong, [])
})

test('relative imports end in .ts and meet a file', () => {
  const known = new Set(files)
  const wrong = files.flatMap((file) => importsOf(file).filter((target) => !known.has(target)).map((target) => `${file} → ${target}`))
  assert.deepEqual(wrong, [])
})

test('only the command line looks at the process\'s arguments and environment', () => {
  const allowed = (file: string): boolean => ['cli', 'commands', 'main.ts'].includes(layerOf(file))
  const exceptions = new Set(['host/process/self.ts', 'host/native/load.ts'])
  const wrong = files.filter((file) => !allowed(file) && !exceptions.has(file))
    .filter((file) => /(?<![.\w])process\.(env|argv)\b/.test(readFileSync(join(source, file), 'utf8')))
  assert.deepEqual(wrong, [])
})

test('no barrels', () => {
  assert.deepEqual(files.filter((file) => file.endsWith('/index.ts')), [])
})
