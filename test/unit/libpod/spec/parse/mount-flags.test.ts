import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseMountFlag, parseTmpfsFlag, parseVolumeFlag } from '../../../../../src/libpod/spec/parse/mount-flags.ts'

const context = { cwd: '/home/me' }

describe('--volume', () => {
  test('host paths, relative ones from the caller directory', () => {
    assert.deepEqual(parseVolumeFlag('/a:/b', context), { type: 'bind', source: '/a', destination: '/b', options: [] })
    assert.deepEqual(parseVolumeFlag('./a:/b/:ro,Z', context), { type: 'bind', source: '/home/me/a', destination: '/b', options: ['ro', 'Z'] })
    assert.equal((parseVolumeFlag('.:/b', context) as { source: string }).source, '/home/me')
    assert.equal((parseVolumeFlag('/a\\:b:/c', context) as { source: string }).source, '/a:b')
  })
  test('names and anonymous volumes', () => {
    assert.deepEqual(parseVolumeFlag('data:/b:nocopy,ro', context), { type: 'volume', name: 'data', destination: '/b', options: ['ro'], copyUp: false })
    assert.deepEqual(parseVolumeFlag('/b', context), { type: 'volume', name: '', destination: '/b', options: [], copyUp: true })
  })
  for (const [text, message] of [
    ['/a:/b:ro:x', /incorrect volume format, should be \[host-dir:\]ctr-dir\[:option\]/],
    ['', /incorrect volume format/],
    [':/b', /host directory cannot be empty/],
    ['/a:b', /invalid container path "b", must be an absolute path/],
    ['/a:/', /root cannot be mounted over/],
    ['/a:/x/..', /root cannot be mounted over/],
    ['/a:/b:ro,rw', /cannot pass both 'ro' and 'rw'/],
    ['/a:/b:shared,rslave', /cannot pass both/],
    ['/a:/b:foo', /unrecognized option "foo"/],
    ['/a:/b:idmap', /idmapped mounts are not supported yet/],
    ['/a:/b:O', /overlay volumes/],
    ['a/b:/c', /names must match/],
    ['-a:/c', /names must match/],
    ['/a:/b\0c', /NUL/],
  ] as const) test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseVolumeFlag(text, context), message))
})

describe('--mount', () => {
  test('bind, volume and tmpfs in podman and docker spellings', () => {
    assert.deepEqual(parseMountFlag('type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave', context), { type: 'bind', source: '/a', destination: '/b', options: ['ro', 'rslave'] })
    assert.deepEqual(parseMountFlag('source=v,target=/b,volume-nocopy', context), { type: 'volume', name: 'v', destination: '/b', options: [], copyUp: false })
    assert.deepEqual(parseMountFlag('type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1777', context), { type: 'tmpfs', destination: '/t', copyUp: true, options: ['size=1m', 'mode=1777'] })
    assert.deepEqual(parseMountFlag('type=bind,"src=/a,b",dst=/c,relabel=shared,chown', context), { type: 'bind', source: '/a,b', destination: '/c', options: ['z', 'U'] })
    assert.deepEqual(parseMountFlag('type=bind,src=/a,dst=/b,ro=false', context), { type: 'bind', source: '/a', destination: '/b', options: ['rw'] })
  })
  for (const [text, message] of [
    ['type=foo,dst=/a', /invalid filesystem type "foo"/],
    ['type=image,src=x,dst=/a', /type=image is not supported yet/],
    ['type=bind,src=/a', /must set volume destination/],
    ['type=bind,dst=/a', /must set volume source/],
    ['type=tmpfs,src=/x,dst=/a', /"source" option not supported/],
    ['type=bind,src=/a,dst=/b,dst=/c', /given more than once/],
    ['type=bind,src=/a,dst=/b,ro,rw', /cannot pass both/],
    ['type=tmpfs,dst=/a,size=lots', /invalid mount option/],
    ['type=bind,src=/a,dst=/b,ro=maybe', /must be set to true or false/],
  ] as const) test(`refuses ${text}`, () => assert.throws(() => parseMountFlag(text, context), message))
})

test('--tmpfs', () => {
  assert.deepEqual(parseTmpfsFlag('/t'), { type: 'tmpfs', destination: '/t', options: [], copyUp: true })
  assert.deepEqual(parseTmpfsFlag('/t:rw,size=64m,mode=1770,notmpcopyup'), { type: 'tmpfs', destination: '/t', options: ['rw', 'size=64m', 'mode=1770'], copyUp: false })
  assert.throws(() => parseTmpfsFlag('t'), /must be an absolute path/)
  assert.throws(() => parseTmpfsFlag('/t:huge=yes'), /unrecognized option "huge=yes"/)
})
