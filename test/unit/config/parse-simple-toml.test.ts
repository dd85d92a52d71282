import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'smol-toml'
import { parseSimpleToml } from '../../../src/config/parse-simple-toml.ts'

test('plain files are read as the full parser reads them', () => {
  const files = [
    '',
    '# nothing\n\n   # more\r\n',
    'unqualified-search-registries = ["docker.io", \'quay.io\',] # two\nshort-name-mode="permissive"\ncredential-helpers = []\n',
    '[aliases]\n  # distributions\n  "almalinux" = "docker.io/library/almalinux"\n"a/b"=\'x # y\'\nbare_key-1 = "z"\n[other]\nflag = true\nno = false',
  ]
  for (const text of files) assert.equal(JSON.stringify(parseSimpleToml(text)), JSON.stringify(parse(text)), text)
})

test('everything else is left to the full parser', () => {
  const files = [
    '[[registry]]\nlocation = "x"', '[a.b]\nc = "d"', 'a.b = "c"', 'a = 1', 'a = """\nx"""', 'a = "\\u0041"', 'a = [\n"b"]', 'a = ["b" "c"]',
    'a = "1"\na = "2"', '[t]\n[t]', 'a = {b = "c"}', 'a = "b" c', 'a =', '= "b"', '"__proto__" = "x"', '[__proto__]\na = "b"', 'a = "tab\tin"', 'a = [["b"]]', 'a = "b', 'a = "x"\n[a]\nb = "c"',
  ]
  for (const text of files) assert.equal(parseSimpleToml(text), undefined, text)
})
