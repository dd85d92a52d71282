import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { findSignaturePlace, loadRegistriesD, parseRegistriesFile } from '../../../src/config/registries-d.ts'

const root = mkdtempSync(join(tmpdir(), 'registries-d-'))
after(() => rmSync(root, { recursive: true }))

function directory(name: string, files: Record<string, string>): string {
  const path = join(root, name)
  mkdirSync(path)
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
  return path
}

test('the most specific section decides, key by key; other files and names are merged', async () => {
  const path = directory('good', {
    'a.yaml': '# comment\ndefault-docker:\n  sigstore: file:///default\n  sigstore-staging: file:///staging\n',
    'b.yaml': 'docker:\n  r.io:\n    lookaside: https://l.r.io:8080/x # why\n    use-sigstore-attachments: true\n  r.io/team:\n    lookaside-staging: file:///team\n',
    'README': '{{{',
  })
  const config = await loadRegistriesD([join(root, 'missing'), path])
  const scopes = ['r.io/team/app:1', 'r.io/team/app', 'r.io/team', 'r.io']
  assert.deepEqual(findSignaturePlace(config, scopes), { read: 'https://l.r.io:8080/x', write: 'file:///team', useSigstoreAttachments: true })
  assert.deepEqual(findSignaturePlace(config, ['x.io']), { read: 'file:///default', write: 'file:///staging', useSigstoreAttachments: false })
  assert.deepEqual(findSignaturePlace(await loadRegistriesD([join(root, 'missing')]), scopes), { useSigstoreAttachments: false })
})

test('a scope in two files, a key twice and what is not YAML are refused', async () => {
  const bad: [Record<string, string>, RegExp][] = [
    [{ 'a.yaml': 'docker:\n  r.io:\n    lookaside: file:///a\n', 'b.yaml': 'docker:\n  r.io: {}\n' }, /"docker" namespace "r.io" defined both in/],
    [{ 'a.yaml': 'default-docker:\n  lookaside: file:///a\n', 'b.yaml': 'default-docker: {}\n' }, /"default-docker" defined both in/],
    [{ 'a.yaml': 'docker:\n  r.io:\n    lookaside: file:///a\n  r.io:\n    lookaside: file:///b\n' }, /unique/],
    [{ 'a.yaml': 'docker: [' }, /parsing .*a.yaml/],
    [{ 'a.yaml': 'docker:\n  r.io:\n    lookaside: 5\n' }, /lookaside of r.io is not a string/],
    [{ 'a.yaml': 'docker:\n  r.io:\n    use-sigstore-attachments: maybe\n' }, /not true or false/],
  ]
  for (const [index, [files, words]] of bad.entries()) await assert.rejects(loadRegistriesD([directory(`bad${index}`, files)]), (error: Error & { code?: string }) => error.code === 'REGISTRIES_D_INVALID' && words.test(error.message))
})

test('the short way through plain files reads what YAML reads', async () => {
  const texts = [
    '', '# nothing\n', 'docker:\n', 'docker:\n  a.b:5000:\n    lookaside: file:///x\n', 'docker:\n    a.b/c/d:tag:\n        lookaside: http://h:1/x%20y\n        lookaside-staging: file:///y\n',
    'default-docker:\n  use-sigstore-attachments: false\ndocker:\n  x:\n    sigstore: file:///z\n  y:\n    sigstore: file:///w   # c\n', 'docker:\n  "q.io":\n    lookaside: "file:///x"\n', 'docker: {a.b: {lookaside: file:///x}}\n',
    'docker:\n  a.b:\n    lookaside: file:///x#y\n', 'docker:\n  a.b:\n    lookaside:\n',
  ]
  for (const text of texts) {
    const json = (parse(text) ?? {}) as { docker?: Record<string, object | null>; 'default-docker'?: object }
    const expected = { docker: Object.fromEntries(Object.entries(json.docker ?? {}).map(([scope, section]) => [scope, Object.fromEntries(Object.entries(section ?? {}).filter(([, value]) => value !== null))])), ...(json['default-docker'] ? { defaultDocker: json['default-docker'] } : {}) }
    assert.deepEqual(JSON.parse(JSON.stringify(await parseRegistriesFile(text, 'x'))), expected, text)
  }
})
