import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { keepCompiledFilter, readCompiledFilter, seccompCachePath } from '../../../src/ociruntime/seccomp-cache.ts'

const directory = mkdtempSync(join(tmpdir(), 'seccomp-'))
const cache = join(directory, 'cache')
const crun = { name: 'crun', path: process.execPath }
const profile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }] }
after(() => rmSync(directory, { recursive: true }))

test('one place per profile and runtime, none for runc and listeners', () => {
  const path = seccompCachePath(cache, crun, profile)
  assert.equal(seccompCachePath(cache, crun, structuredClone(profile)), path)
  assert.notEqual(seccompCachePath(cache, crun, { ...profile, defaultAction: 'SCMP_ACT_KILL' }), path)
  assert.notEqual(seccompCachePath(cache, { name: 'crun', path: '/bin/sh' }, profile), path)
  assert.equal(seccompCachePath(cache, { ...crun, name: 'runc' }, profile), undefined)
  assert.equal(seccompCachePath(cache, crun, { ...profile, listenerPath: '/run/x' }), undefined)
  assert.equal(seccompCachePath(cache, crun, undefined), undefined)
})

test('what the runtime compiled is kept; what is no filter is not', () => {
  const path = seccompCachePath(cache, crun, profile) as string
  const state = join(directory, 'state')
  mkdirSync(state)
  assert.equal(readCompiledFilter(path), undefined)
  keepCompiledFilter(path, state)
  for (const bytes of [0, 7, 8 * 4097]) {
    writeFileSync(join(state, 'seccomp.bpf'), Buffer.alloc(bytes, 1))
    keepCompiledFilter(path, state)
    assert.equal(readCompiledFilter(path), undefined)
  }
  writeFileSync(join(state, 'seccomp.bpf'), Buffer.alloc(16, 1))
  keepCompiledFilter(path, state)
  assert.equal(readCompiledFilter(path), Buffer.alloc(16, 1).toString('base64'))
  for (let i = 0; i < 70; i++) keepCompiledFilter(join(cache, `other${i}`), state)
  assert.ok(readdirSync(cache).length <= 64)
})
