import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, it } from 'node:test'
import { checkPropagation } from '../../../../src/debug/doctor/checks/storage.ts'
import { countIds } from '../../../../src/debug/doctor/checks/users.ts'
import { isOlder, parseVersion } from '../../../../src/debug/doctor/probe.ts'
import { runDoctor } from '../../../../src/debug/doctor/run-doctor.ts'
import type { DoctorContext, Finding } from '../../../../src/debug/doctor/types.ts'

const directory = mkdtempSync(`${tmpdir()}/tpod-doctor-test-`)
after(() => { rmSync(directory, { recursive: true, force: true }) })

const context: DoctorContext = {
  uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0, userName: 'nobody-here', home: `${directory}/home`,
  graphRoot: `${directory}/store`, runRoot: `${directory}/run`, path: ['/usr/bin', '/bin'],
  conmonPaths: ['/nonexistent/conmon'], runtimePaths: { crun: [], runc: [] }, initPath: '/nonexistent/init', seccompProfile: `${directory}/seccomp.json`, systemRoot: directory,
}

it('gives every finding that is not ok a fix, and leaves nothing behind', async () => {
  mkdirSync(`${directory}/store/tpod/containers/${'a'.repeat(64)}`, { recursive: true })
  writeFileSync(`${directory}/seccomp.json`, '{')
  const findings = await runDoctor(context)
  for (const finding of findings) {
    assert.equal(finding.status === 'ok', finding.fix === '', `${finding.id}: ${finding.summary}`)
    assert.doesNotMatch(finding.summary, /\n/)
    assert.doesNotMatch(finding.summary, /could not be checked/)
  }
  assert.equal(new Set(findings.map(({ id }) => id)).size, findings.length, 'ids are unique')
  assert.equal(find(findings, 'init').status, 'warn')
  assert.equal(find(findings, 'config.seccomp').status, 'fail')
  assert.equal(find(findings, 'config.policy').status, 'warn')
  assert.match(find(findings, 'storage.leftovers').detail, /aaaa$/)
  assert.deepEqual(readdirSync(`${directory}/store`), ['tpod'])
})

it('sees a missing policy file arrive', async () => {
  mkdirSync(`${directory}/etc/containers`, { recursive: true })
  writeFileSync(`${directory}/etc/containers/policy.json`, '{"default":[{"type":"insecureAcceptAnything"}]}')
  assert.equal(find(await runDoctor(context), 'config.policy').status, 'ok')
})

it('tells shared from private propagation', () => {
  assert.equal(checkPropagation('1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n').status, 'ok')
  assert.equal(checkPropagation('1 0 8:1 / / rw - ext4 /dev/sda1 rw\n').status, 'warn')
})

it('counts subordinate ids of a name and a number', () => {
  assert.equal(countIds('ann:100000:65536\nbob:165536:65536\n1000:300000:10\nann:x:y\n', ['ann', '1000']), 65546)
})

it('compares versions', () => {
  assert.ok(isOlder(parseVersion('conmon version 2.0.20'), [2, 0, 24]))
  assert.ok(!isOlder(parseVersion('conmon version 2.1.6'), [2, 0, 24]))
  assert.ok(!isOlder(parseVersion('6.18.44-fc'), [5, 6]))
})

function find(findings: readonly Finding[], id: string): Finding {
  const finding = findings.find((candidate) => candidate.id === id)
  assert.ok(finding, id)
  return finding
}
