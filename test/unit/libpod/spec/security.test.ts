import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { capabilityNames } from '../../../../src/oci/capabilities.ts'
import type { SecurityFacts } from '../../../../src/host/security/security-facts.ts'
import { parseLimits } from '../../../../src/host/security/security-facts.ts'
import { resolveCapabilities } from '../../../../src/libpod/spec/capabilities.ts'
import { encodeSpec } from '../../../../src/libpod/spec/generate.ts'
import { resolveMaskedPaths } from '../../../../src/libpod/spec/masked-paths.ts'
import { resolveResources } from '../../../../src/libpod/spec/resources.ts'
import { resolveRlimits } from '../../../../src/libpod/spec/rlimits.ts'
import { convertProfile } from '../../../../src/libpod/spec/seccomp.ts'
import { parseSecurityOptions } from '../../../../src/libpod/spec/security-options.ts'

const available = new Set(capabilityNames.filter((name) => name !== 'CAP_SYS_RESOURCE'))
const base = { defaults: ['CHOWN', 'KILL'], add: [], drop: [], privileged: false, isRootUser: true, available }

describe('capabilities', () => {
  test('default, add, drop, ALL, privileged', () => {
    assert.deepEqual(resolveCapabilities(base).sets.bounding, ['CAP_CHOWN', 'CAP_KILL'])
    assert.deepEqual(resolveCapabilities({ ...base, add: ['net_admin', 'CAP_SYS_PTRACE'], drop: ['kill'] }).sets.effective, ['CAP_CHOWN', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE'])
    assert.deepEqual(resolveCapabilities({ ...base, drop: ['ALL'], add: ['chown'] }).sets.permitted, ['CAP_CHOWN'])
    assert.equal(resolveCapabilities({ ...base, add: ['ALL'], drop: ['chown'] }).sets.bounding.length, available.size - 1)
    assert.equal(resolveCapabilities({ ...base, privileged: true }).sets.bounding.length, available.size)
    assert.deepEqual(resolveCapabilities(base).sets.inheritable, [])
  })
  test('a user other than root', () => {
    const { sets } = resolveCapabilities({ ...base, isRootUser: false, add: ['net_raw'] })
    assert.deepEqual([sets.bounding, sets.effective, sets.ambient, sets.inheritable], [['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW'], ['CAP_NET_RAW'], ['CAP_NET_RAW'], ['CAP_NET_RAW']])
  })
  test('mistakes', () => {
    assert.throws(() => resolveCapabilities({ ...base, add: ['FOO'] }), /invalid --cap-add "FOO": unknown capability/)
    assert.throws(() => resolveCapabilities({ ...base, add: ['KILL'], drop: ['CAP_KILL'] }), /cannot be dropped and added/)
    assert.deepEqual(resolveCapabilities({ ...base, add: ['SYS_RESOURCE'] }).missing, ['CAP_SYS_RESOURCE'])
  })
})

test('seccomp: conditions on architecture and capabilities', () => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 38,
    archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }, { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: null }],
    syscalls: [
      { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [], includes: {}, excludes: {} },
      { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['amd64'] } },
      { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['bpf'], action: 'SCMP_ACT_ERRNO', errnoRet: 1, excludes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['new'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '999.0' } },
    ],
  }
  const plain = convertProfile(profile, ['CAP_CHOWN'], 'x64')
  assert.deepEqual(plain.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'])
  assert.deepEqual(plain.syscalls, [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }, { names: ['arch_prctl'], action: 'SCMP_ACT_ALLOW' }, { names: ['bpf'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 }])
  const admin = convertProfile(profile, ['CAP_SYS_ADMIN'], 'arm64')
  assert.deepEqual(admin.syscalls.map((rule) => rule.names[0]), ['read', 'bpf'])
  assert.deepEqual(admin.architectures, ['SCMP_ARCH_AARCH64'])
})

test('security options', () => {
  const options = parseSecurityOptions(['no-new-privileges', 'seccomp=/p.json', 'mask=/a:/b', 'unmask=/proc/*', 'label=disable', 'proc-opts=hidepid=2'])
  assert.deepEqual(options, { noNewPrivileges: true, seccomp: { path: '/p.json' }, mask: ['/a', '/b'], unmask: ['/proc/*'], labelDisabled: true, labelParts: {}, procOptions: ['hidepid=2'] })
  assert.equal(parseSecurityOptions(['no-new-privileges:false']).noNewPrivileges, false)
  for (const bad of ['seccomp=', 'label=foo', 'systempaths=x', '']) assert.throws(() => parseSecurityOptions([bad]), /invalid --security-opt/)
})

test('masked paths', () => {
  assert.ok(resolveMaskedPaths(false, ['/x'], []).maskedPaths.includes('/x'))
  const open = resolveMaskedPaths(false, [], ['/proc/*'])
  assert.ok(open.maskedPaths.every((path) => !path.startsWith('/proc/')) && open.maskedPaths.length > 0 && open.readonlyPaths.length === 0)
  assert.deepEqual(resolveMaskedPaths(false, [], ['ALL']), { maskedPaths: [], readonlyPaths: [] })
  assert.deepEqual(resolveMaskedPaths(true, ['/x'], []), { maskedPaths: ['/x'], readonlyPaths: [] })
})

const facts: SecurityFacts = {
  boundingCapabilities: available, mayRaiseLimits: false, oomScoreAdj: 0, hasSeccomp: true, hasApparmor: false, hasSelinux: false,
  limits: parseLimits('Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 20000                files     \nMax core file size        0                    unlimited            bytes\n'),
}

test('rlimits: defaults clamped, explicit ones refused above the hard limit', () => {
  assert.deepEqual(resolveRlimits([], [], false, facts)[0], { type: 'RLIMIT_NOFILE', soft: 20000, hard: 20000 })
  assert.deepEqual(resolveRlimits([], [], true, facts), [])
  assert.equal(resolveRlimits([], [], false, { ...facts, mayRaiseLimits: true })[0]?.hard, 1048576)
  assert.throws(() => resolveRlimits([{ name: 'nofile', soft: 1, hard: 30000 }], [], false, facts), /set --ulimit nofile=1:30000: this host allows at most 20000/)
  const text = encodeSpec({ rlimits: resolveRlimits([{ name: 'core', soft: -1, hard: -1 }], [], true, facts) })
  assert.equal(text, '{"rlimits":[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]}')
  assert.equal(encodeSpec(JSON.parse(text) as object), text, 'survives being read and written again')
})

test('resources: what the host cannot do is named', () => {
  const none = { version: 'v2', v1Mounts: new Map(), v2Mount: '/c', v2Controllers: ['pids'] } as const
  assert.throws(() => resolveResources({ memoryBytes: 2 ** 20 }, 2048, [], none), /set --memory: this host has no memory cgroup controller/)
  assert.deepEqual(resolveResources({}, 2048, [], none).resources, { devices: [], pids: { limit: 2048 } })
  assert.deepEqual(resolveResources({}, 2048, [], { ...none, v2Controllers: [] }).resources, { devices: [] })
  assert.throws(() => resolveResources({ memorySwapBytes: 5 }, 0, [], none), /always set the memory limit/)
  assert.throws(() => resolveResources({ memoryBytes: 10, memorySwapBytes: 5 }, 0, [], none), /larger than memory limit/)
  const all = { ...none, v2Controllers: ['pids', 'memory', 'cpu', 'cpuset', 'io'] }
  assert.deepEqual(resolveResources({ memoryBytes: 2 ** 20, cpuQuotaUs: 5, cpusetCpus: '0', pidsLimit: -1 }, 2048, [], all).resources, { devices: [], memory: { limit: 2 ** 20, swap: 2 ** 21 }, cpu: { quota: 5, cpus: '0' }, pids: { limit: -1 } })
})
