import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findRegistry, loadRegistries, matchPrefix, resolvePullEndpoints } from '../../../src/config/registries-conf.ts'
import type { RegistriesConfig } from '../../../src/config/registries-conf.ts'
import { formatReference, parseNormalizedReference } from '../../../src/oci/reference.ts'

let directory: string
before(() => (directory = mkdtempSync(join(tmpdir(), 'registries-'))))
after(() => rmSync(directory, { recursive: true }))

let counter = 0
function load(text: string, dropIns: Record<string, string> = {}): Promise<RegistriesConfig> {
  const systemDirectory = join(directory, String(counter++))
  mkdirSync(join(systemDirectory, 'registries.conf.d'), { recursive: true })
  writeFileSync(join(systemDirectory, 'registries.conf'), text)
  for (const [name, content] of Object.entries(dropIns)) writeFileSync(join(systemDirectory, 'registries.conf.d', name), content)
  return loadRegistries({ systemDirectory })
}

function endpoints(config: RegistriesConfig, name: string): string[] {
  return resolvePullEndpoints(config, parseNormalizedReference(name)).map(({ reference, insecure }) => formatReference(reference) + (insecure ? ' insecure' : ''))
}

const digest = '@sha256:' + 'a'.repeat(64)

test('no files at all: nothing configured', async () => {
  const config = await loadRegistries({ systemDirectory: '/nonexistent' })
  assert.deepEqual(config.searchRegistries, [])
  assert.equal(config.shortNameMode, 'permissive')
  assert.deepEqual(endpoints(config, 'quay.io/a:1'), ['quay.io/a:1'])
})

test('a file that was named must exist', async () => {
  await assert.rejects(loadRegistries({ configFile: '/nonexistent/r.conf' }), { code: 'REGISTRIES_CONF_INVALID', message: /\/nonexistent\/r\.conf: no such file/ })
})

test('prefix, location and mirrors are rewritten, the longest prefix wins', async () => {
  const config = await load(`
[[registry]]
prefix = "example.com"
location = "mirror.local:5000/all"
insecure = true
[[registry]]
prefix = "example.com/team"
location = "example.com/team"
[[registry.mirror]]
location = "m1.local/x"
[[registry.mirror]]
location = "m2.local"
insecure = true
`)
  assert.deepEqual(endpoints(config, 'example.com/other/img:1'), ['mirror.local:5000/all/other/img:1 insecure'])
  assert.deepEqual(endpoints(config, 'example.com/team/img:1'), ['m1.local/x/img:1', 'm2.local/img:1 insecure', 'example.com/team/img:1'])
  assert.deepEqual(endpoints(config, 'example.common/img:1'), ['example.common/img:1'])
})

test('wildcards stand for subdomains', async () => {
  const config = await load(`[[registry]]\nprefix = "*.example.com"\n[[registry.mirror]]\nlocation = "m.local"\n`)
  assert.deepEqual(endpoints(config, 'a.b.example.com/x:1'), ['m.local/x:1', 'a.b.example.com/x:1'])
  assert.deepEqual(endpoints(config, 'example.com/x:1'), ['example.com/x:1'])
  assert.equal(matchPrefix('quay.io/a.example.com/x', '*.example.com'), -1)
})

test('mirrors for digests or tags only', async () => {
  const config = await load(`
[[registry]]
location = "a.com"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.a"
[[registry]]
location = "b.com"
[[registry.mirror]]
location = "tags.b"
pull-from-mirror = "tag-only"
[[registry.mirror]]
location = "digests.b"
pull-from-mirror = "digest-only"
`)
  assert.deepEqual(endpoints(config, 'a.com/x:1'), ['a.com/x:1'])
  assert.deepEqual(endpoints(config, `a.com/x${digest}`), [`m.a/x${digest}`, `a.com/x${digest}`])
  assert.deepEqual(endpoints(config, 'b.com/x:1'), ['tags.b/x:1', 'b.com/x:1'])
  assert.deepEqual(endpoints(config, `b.com/x${digest}`), [`digests.b/x${digest}`, `b.com/x${digest}`])
})

test('a blocked registry is refused, naming it', async () => {
  const config = await load(`[[registry]]\nlocation = "evil.com"\nblocked = true\n`)
  assert.throws(() => resolvePullEndpoints(config, parseNormalizedReference('evil.com/x')), { code: 'REGISTRY_BLOCKED', message: /evil\.com is blocked/ })
  assert.throws(() => resolvePullEndpoints(config, parseNormalizedReference('evil.com:5000/x')), { code: 'REGISTRY_BLOCKED' })
})

test('drop-ins add to and override the main file, in order of name', async () => {
  const config = await load(`unqualified-search-registries = ["a.com"]\nshort-name-mode = "enforcing"\n[aliases]\nx = "a.com/x"\n[[registry]]\nlocation = "a.com"\n`, {
    '20.conf': '[aliases]\nx = "c.com/x"\ny = "c.com/y"\n',
    '10.conf': 'unqualified-search-registries = ["b.com", "docker.io"]\n[aliases]\nx = "b.com/x"\n[[registry]]\nlocation = "a.com"\ninsecure = true\n',
    'ignored.txt': 'not toml at all [',
  })
  assert.deepEqual(config.searchRegistries, ['b.com', 'docker.io'])
  assert.match(config.searchOrigin, /10\.conf$/)
  assert.equal(config.shortNameMode, 'enforcing')
  assert.equal(config.aliases.get('x')?.value, 'c.com/x')
  assert.equal(config.aliases.get('y')?.value, 'c.com/y')
  assert.equal(findRegistry(config, 'a.com/z')?.insecure, true)
})

test("the file of podman's prompt wins over all aliases", async () => {
  const aliasesFile = join(directory, 'short-name-aliases.conf')
  writeFileSync(aliasesFile, '[aliases]\n"x" = "mine.com/x"\n')
  const config = await loadRegistries({ systemDirectory: '/nonexistent', aliasesFile })
  assert.equal(config.aliases.get('x')?.value, 'mine.com/x')
})

test('version 1 of the format', async () => {
  const config = await load('[registries.search]\nregistries = ["a.com"]\n[registries.insecure]\nregistries = ["b.com"]\n[registries.block]\nregistries = ["c.com"]\n')
  assert.deepEqual(config.searchRegistries, ['a.com'])
  assert.deepEqual(endpoints(config, 'b.com/x:1'), ['b.com/x:1 insecure'])
  assert.throws(() => endpoints(config, 'c.com/x:1'), { code: 'REGISTRY_BLOCKED' })
})

const invalid: [string, string, RegExp][] = [
  ['bad TOML', '[[registry', /registries\.conf: /],
  ['a scheme in a location', '[[registry]]\nlocation = "https://a.com"', /without http/],
  ['neither location nor prefix', '[[registry]]\ninsecure = true', /neither location nor prefix/],
  ['conflicting entries', '[[registry]]\nlocation = "a"\nprefix = "x"\n[[registry]]\nlocation = "a"\nprefix = "y"\ninsecure = true', /conflicting "insecure"/],
  ['an unknown mode', 'short-name-mode = "maybe"', /maybe/],
  ['a search registry with a path', 'unqualified-search-registries = ["a.com/x"]', /a\.com\/x/],
  ['an alias with a tag', '[aliases]\nx = "a.com/x:1"', /neither tag nor digest/],
  ['an alias without host', '[aliases]\nx = "y"', /no registry host/],
  ['a wildcard with a path', '[[registry]]\nprefix = "*.a.com/x"\nlocation = "b.com"', /subdomains only/],
  ['both ways to limit mirrors', '[[registry]]\nlocation = "a.com"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation = "b.com"\npull-from-mirror = "all"', /exclude each other/],
]
for (const [name, text, message] of invalid) {
  test(`invalid: ${name}`, async () => {
    await assert.rejects(load(text), { code: 'REGISTRIES_CONF_INVALID', message })
  })
}
