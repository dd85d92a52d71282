import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse as oclifParse } from '@oclif/core/parser'
import { generatedFiles } from '../../../scripts/docs.ts'
import { globalFlags } from '../../../src/cli/global-flags.ts'
import { renderCommandHelp } from '../../../src/cli/help.ts'
import { version } from '../../../src/cli/version.ts'
import { commandTable } from '../../../src/commands/table.ts'

const root = join(import.meta.dirname, '../../..')
const entries = await Promise.all(commandTable.commands.map(async (entry) => ({ entry, Class: (await entry.load()).default })))

test('no spelling belongs to two commands', () => {
  const spellings = commandTable.commands.flatMap(({ path, aliases }) => [path, ...aliases])
  assert.deepEqual(spellings.filter((spelling, index) => spellings.indexOf(spelling) !== index), [])
})

test('the table says what the classes say', () => {
  for (const { entry, Class } of entries) assert.equal(entry.summary, Class.summary, entry.path)
})

test('every command has an example', () => {
  assert.deepEqual(entries.filter(({ Class }) => Class.examples.length === 0).map(({ entry }) => entry.path), [])
})

test('no command has two flags of one letter or name, nor hides a global flag', () => {
  for (const { entry, Class } of entries) {
    const flags = Object.entries(Class.flags ?? {})
    const chars = flags.flatMap(([, { char }]) => char ?? [])
    assert.equal(new Set(chars).size, chars.length, `${entry.path}: ${chars.join('')}`)
    const names = flags.flatMap(([name, { aliases = [] }]) => [name, ...aliases])
    assert.equal(new Set(names).size, names.length, entry.path)
    assert.deepEqual(names.filter((name) => name in globalFlags), [], entry.path)
  }
})

test('the definitions are oclif\'s: its own parser takes them', async () => {
  for (const { entry, Class } of entries) {
    const words = Object.values(Class.args ?? {}).map((_, index) => `word${index}`)
    const flags = Object.fromEntries(Object.entries(Class.flags ?? {}).map(([name, flag]) => [name, { ...flag, name }]))
    const parsed = await oclifParse(words, { flags, args: Class.args ?? {}, strict: false } as never) as { argv: unknown[] }
    assert.deepEqual(parsed.argv.slice(0, words.length), words, entry.path)
  }
})

test('the help of every command shows usage, examples and all flags', () => {
  for (const { entry, Class } of entries) {
    const help = renderCommandHelp(entry, Class, entry.path)
    assert.match(help, new RegExp(`Usage:\\n  tpod ${entry.path}`))
    for (const [name, { hidden }] of Object.entries(Class.flags ?? {})) assert.ok(hidden || help.includes(`--${name}`), `${entry.path} --${name}`)
  }
})

test('docs and completions are up to date (npm run docs)', async () => {
  for (const [path, content] of await generatedFiles()) {
    assert.ok(existsSync(join(root, path)), path)
    assert.equal(readFileSync(join(root, path), 'utf8'), content, path)
  }
})

test('the version is package.json\'s', () => {
  assert.equal(version, (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version)
})
