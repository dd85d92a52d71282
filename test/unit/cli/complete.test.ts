import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeWords } from '../../../src/cli/complete.ts'
import { commandTable } from '../../../src/commands/table.ts'

const complete = (...words: string[]): Promise<string[]> => completeWords(words, { env: {}, table: commandTable })

test('values of few words are offered: formats, types, transports, shells', async () => {
  assert.deepEqual(await complete('save', '--format', 'oci'), ['oci-archive', 'oci-dir'])
  assert.deepEqual(await complete('save', '--format=docker-d'), ['--format=docker-dir'])
  assert.deepEqual(await complete('image', 'trust', 'set', '--type', 'si'), ['signedBy', 'sigstoreSigned'])
  assert.deepEqual(await complete('image', 'sync', '--src', ''), ['docker', 'dir', 'yaml'])
  assert.deepEqual(await complete('image', 'copy', '-f', 'v'), ['v2s1', 'v2s2'])
  assert.deepEqual(await complete('completion', ''), ['bash', 'zsh', 'fish'])
  assert.deepEqual(await complete('load', '--input', ''), [':files'])
})
