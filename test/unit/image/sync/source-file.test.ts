import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { tagsByRegex } from '../../../../src/image/sync/choose-tags.ts'
import { readSourceFile } from '../../../../src/image/sync/source-file.ts'

const directory = mkdtempSync('/tmp/tpod-sync-')
after(() => rmSync(directory, { recursive: true, force: true }))

function read(text: string, unknown: string[] = []): ReturnType<typeof readSourceFile> {
  const path = join(directory, 'source.yml')
  writeFileSync(path, text)
  return readSourceFile(path, (key) => unknown.push(key))
}

test('a source file with everything in it', async () => {
  const unknown: string[] = []
  const [registry, other] = await read(`
registry.example.com:
  images:
    busybox: []
    redis:
      - 1.0
      - "2.0"
      - sha256:0000000000000000000000000000000011111111111111111111111111111111
  images-by-tag-regex:
    nginx: ^1\\.13\\.[12]-alpine-perl$
  images-by-semver:
    alpine: ">= 3.12.0"
  images-newest:
    app: 3
    web: {count: 2, by: semver, tag-regex: ^v}
  credentials:
    username: john
    password: 007
  tls-verify: no
  cert-dir: /home/john/certs
  color: blue
quay.io:
`, unknown)
  assert.deepEqual(registry, {
    registry: 'registry.example.com',
    images: [['busybox', []], ['redis', ['1.0', '2.0', 'sha256:0000000000000000000000000000000011111111111111111111111111111111']]],
    imagesByTagRegex: [['nginx', '^1\\.13\\.[12]-alpine-perl$']],
    imagesBySemver: [['alpine', '>= 3.12.0']],
    imagesNewest: [['app', { count: 3, by: 'created' }], ['web', { count: 2, by: 'semver', tagRegex: '^v' }]],
    credentials: { username: 'john', password: '007' },
    tlsVerify: false,
    certDirectory: '/home/john/certs',
  })
  assert.equal(other?.registry, 'quay.io')
  assert.deepEqual(unknown, ['registry.example.com.color'])
})

test('mistakes name the file and the place', async () => {
  await assert.rejects(read('r: {images: 7}'), { code: 'SYNC_FILE', message: /source\.yml": r\.images: expected a mapping/ })
  await assert.rejects(read('r: {tls-verify: perhaps}'), /r\.tls-verify: expected true or false/)
  await assert.rejects(read('r: {images-newest: {a: 0}}'), /r\.images-newest\.a: expected how many/)
  await assert.rejects(read('r: {images-newest: {a: {count: 1, by: size}}}'), /expected created or semver/)
  await assert.rejects(read('r: [}'), /Failed to unmarshal/)
  await assert.rejects(readSourceFile(join(directory, 'nonesuch'), () => undefined), /no such file or directory/)
})

test('an alias bomb is refused', async () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 10; level++) lines.push(`a${level}: &a${level} [${Array.from({ length: 9 }, () => `*a${level - 1}`).join(', ')}]`)
  await assert.rejects(read(lines.join('\n')), { code: 'SYNC_FILE' })
})

test('regular expressions of Go', () => {
  assert.ok(tagsByRegex('(?i)^ALPINE')('alpine3'))
  assert.ok(tagsByRegex('^[[:digit:]]+\\z')('20210121'))
  assert.ok(!tagsByRegex('\\A3\\.1\\z')('3.14'))
  assert.ok(tagsByRegex('1')('v1.2'))
  assert.throws(() => tagsByRegex('(')('x'), { code: 'BAD_REGEX' })
})
