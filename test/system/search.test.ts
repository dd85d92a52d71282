/** search against a fake index, the real registry's catalogue, and a repository of 3,000 tags. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Result, spawnTpodResult, TestHost } from '../support/host.ts'

const host = new TestHost()
let registry = ''
let index = ''
let server: Server
const asked: string[] = []

const results = [
  { name: 'alpine', description: 'A minimal Docker image\nbased on Alpine Linux with a complete package index', star_count: 9000, is_official: true, is_automated: false },
  { name: 'someone/alpine', description: 'bad \x1b[31m colours', star_count: 3, is_official: false, is_automated: true },
  ...Array.from({ length: 60 }, (_, number) => ({ name: `x/alpine${number}`, description: '', star_count: 0, is_official: false, is_automated: false })),
]

before(async () => {
  registry = await host.startRegistry()
  server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const url = new URL(request.url ?? '', 'http://x')
    response.setHeader('content-type', 'application/json')
    if (url.pathname === '/v1/search') return void response.end(JSON.stringify({ results }))
    response.end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  index = `127.0.0.1:${(server.address() as AddressInfo).port}`
  host.registries(`unqualified-search-registries = ["${index}", "${registry}"]\n[[registry]]\nlocation = "${index}"\ninsecure = true\n`)
  addTags('tools/many', 3000)
  addTags('tools/other', 1)
})
after(() => {
  server.close()
  host.dispose()
})

/** In the registry's own files: pushing 3,000 would take a minute. */
function addTags(repository: string, count: number): void {
  const directory = join(host.directory, `registry-${registry.split(':')[1]}`, 'docker/registry/v2/repositories', repository)
  mkdirSync(join(directory, '_layers'), { recursive: true })
  for (let number = 0; number < count; number++) {
    const current = join(directory, '_manifests/tags', `v${String(number).padStart(4, '0')}`, 'current')
    mkdirSync(current, { recursive: true })
    writeFileSync(join(current, 'link'), `sha256:${'0'.repeat(64)}`)
  }
}

// The index is served by this process, which must not be blocked meanwhile.
const search = (...args: string[]): Promise<Result> => spawnTpodResult(host, ['search', ...args])
const lines = ({ stdout }: Result): string[] => stdout.trimEnd().split('\n').map((line) => line.trimEnd())

test('the table, docker\'s columns, descriptions in one line without control characters', async () => {
  const found = lines(await search(`${index}/alpine`))
  assert.match(found[0] as string, /^NAME +DESCRIPTION$/)
  assert.equal(found.length, 26)
  assert.match(found[1] as string, new RegExp(`^${index}/alpine +A minimal Docker image based on Alpine Linux\\.\\.\\.$`))
  assert.ok(!found.join('').includes('\x1b'))
  const compatible = lines(await search('--compatible', '--no-trunc', '--limit', '1', `${index}/alpine`))
  assert.match(compatible[0] as string, /^NAME +DESCRIPTION +STARS +OFFICIAL +AUTOMATED$/)
  assert.match(compatible[1] as string, /with a complete package index +9000 +\[OK\]$/)
  assert.equal(compatible.length, 2)
  assert.ok(asked.includes('/v1/search?q=alpine&n=1'))
})

test('filters, templates and JSON', async () => {
  assert.deepEqual(lines(await search('--filter', 'stars=4', '--format', '{{.Name}} {{.Stars}}', `${index}/alpine`)), [`${index}/alpine 9000`])
  assert.deepEqual(lines(await search('-f', 'is-official=false', '-f', 'is-automated', '--format', '{{.Name}}', `${index}/alpine`)), [`${index}/someone/alpine`])
  assert.match(lines(await search('--format', 'table {{.Index}} {{.Name}}', '--limit', '1', `${index}/alpine`)).join('\n'), new RegExp(`^INDEX +NAME\n${index} +${index}/alpine$`))
  const json = JSON.parse((await search('--format', 'json', '--limit', '1', `${index}/alpine`)).stdout) as Record<string, unknown>[]
  assert.deepEqual(Object.keys(json[0] ?? {}), ['Index', 'Name', 'Description', 'Stars', 'Official', 'Automated', 'Tag'])
  assert.equal(json[0]?.['Official'], '[OK]')
  for (const [filter, words] of [['stars', 'should be stars=<value>'], ['stars=x', 'incorrect value type for stars filter'], ['what=x', 'invalid filter type']] as const) {
    const result = await search('--filter', filter, 'x')
    assert.equal(result.code, 125)
    assert.ok(result.stderr.includes(words), result.stderr)
  }
})

test('all search registries are asked; one that fails does not hide the others', async () => {
  const names = lines(await search('--limit', '100', '--format', '{{.Name}}', 'tools'))
  assert.ok(names.includes(`${registry}/tools/many`) && names.includes(`${registry}/tools/other`) && names.includes(`${index}/alpine`))
  const result = await search('127.0.0.1:1/x')
  assert.equal(result.code, 125)
  assert.match(result.stderr, /^Error: couldn't search registry "127\.0\.0\.1:1": /)
})

test('a registry without an index: its catalogue, the full match first; nothing found is no error', async () => {
  assert.deepEqual(lines(await search('--format', '{{.Name}}', `${registry}/tools/other`)), [`${registry}/tools/other`])
  assert.deepEqual(lines(await search('--format', '{{.Name}}', `${registry}/`)), [`${registry}/tools/many`, `${registry}/tools/other`])
  const none = await search(`${registry}/nothing`)
  assert.deepEqual([none.code, none.stdout, none.stderr], [0, '', ''])
})

test('tags: 25, as many as asked for, or 3,000', async () => {
  const tags = lines(await search('--list-tags', `${registry}/tools/many`))
  assert.match(tags[0] as string, /^NAME +TAG$/)
  assert.equal(tags.length, 26)
  const all = JSON.parse((await search('--list-tags', '--limit', '5000', '--format', 'json', `${registry}/tools/many`)).stdout) as { Name: string; Tags: string[] }[]
  assert.equal(all.length, 1)
  assert.equal(all[0]?.Name, `${registry}/tools/many`)
  assert.equal(new Set(all[0]?.Tags).size, 3000)
  assert.deepEqual(lines(await search('--list-tags', '--limit', '2', '--format', '{{.Tag}}', `${registry}/tools/other`)), ['v0000'])
  assert.match((await search('--list-tags', '-f', 'stars=1', `${registry}/x`)).stderr, /filters are not applicable to list tags result/)
  const missing = await search('--list-tags', `${registry}/tools/none`)
  assert.equal(missing.code, 125)
  assert.match(missing.stderr, /^Error: getting repository tags: /)
})
