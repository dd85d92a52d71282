import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDeviceCgroupRule, parseDeviceFlag, parseUlimitFlag } from '../../../../../src/libpod/spec/parse/device-flags.ts'
import { parseEnvFile, parseEnvFlag, parseKeyValue, parseLabelFlag, readEnvFile } from '../../../../../src/libpod/spec/parse/env-flags.ts'
import { parseNamespaceMode, parseNetworkMode } from '../../../../../src/libpod/spec/parse/namespace-mode.ts'
import { parseCpus, parseCpuset, parseMemory, parsePidsLimit, parseSizeBytes, parseStopSignal, parseUmask } from '../../../../../src/libpod/spec/parse/numbers.ts'

describe('sizes and numbers', () => {
  test('memory', () => {
    assert.equal(parseMemory('memory', '512m'), 536870912)
    assert.equal(parseMemory('memory', '1.5g'), 1610612736)
    assert.equal(parseMemory('memory', '1GiB'), 1073741824)
    assert.equal(parseMemory('memory-swap', '-1'), -1)
    assert.equal(parseSizeBytes('shm_size', '65536k'), 67108864)
    assert.throws(() => parseMemory('memory', '1x'), /^TpodError: invalid --memory "1x": invalid size: '1x'$/)
    assert.throws(() => parseMemory('memory', '-1'), /invalid size/)
    assert.throws(() => parseMemory('memory', '100k'), /minimum memory limit allowed is 512KB/)
    assert.throws(() => parseMemory('memory', '9999999p'), /invalid size/)
  })
  test('cpus, cpusets, pids, umask, signals', () => {
    assert.deepEqual(parseCpus('1.5'), { cpuPeriodUs: 100000, cpuQuotaUs: 150000 })
    assert.equal(parseCpus('0'), undefined)
    for (const bad of ['-1', 'x', '1e3', '', '0.001']) assert.throws(() => parseCpus(bad), /invalid --cpus/)
    assert.equal(parseCpuset('cpuset-cpus', '0-3,5'), '0-3,5')
    assert.throws(() => parseCpuset('cpuset-cpus', '0-'), /such as 0-3,5/)
    assert.equal(parsePidsLimit('0'), -1)
    assert.throws(() => parsePidsLimit('many'), /whole number/)
    assert.equal(parseUmask('0027'), '0027')
    for (const bad of ['888', '10000', '']) assert.throws(() => parseUmask(bad), /invalid --umask/)
    for (const good of ['9', 'KILL', 'sigterm', 'SIGRTMIN+3', 'RTMAX-1']) assert.equal(parseStopSignal(good), good)
    for (const bad of ['0', '-0', 'NOPE', 'SIGRTMIN+99']) assert.throws(() => parseStopSignal(bad), /invalid signal/)
    assert.throws(() => parseStopSignal('65'), /valid signals are 1 through 64/)
    assert.equal(parseStopSignal('-SIGUSR1'), 'SIGUSR1')
  })
})

describe('environment and labels', () => {
  const host = { HOME: '/root', A1: 'x', A2: 'y' }
  test('-e', () => {
    assert.deepEqual(parseEnvFlag('A=b=c', host), [{ name: 'A', value: 'b=c' }])
    assert.deepEqual(parseEnvFlag('HOME', host), [{ name: 'HOME', value: '/root' }])
    assert.deepEqual(parseEnvFlag('NOPE', host), [])
    assert.deepEqual(parseEnvFlag('A*', host).map(({ name }) => name), ['A1', 'A2'])
    assert.throws(() => parseEnvFlag('=x', host), /invalid variable/)
  })
  test('--env-file', () => {
    assert.deepEqual(parseEnvFile('# no\n\nA=1\r\n  B="q q"\nHOME\n', host), [{ name: 'A', value: '1' }, { name: 'B', value: '"q q"' }, { name: 'HOME', value: '/root' }])
    assert.throws(() => parseEnvFile('A B=1', host), /white spaces/)
    assert.throws(() => readEnvFile('/nope/env', host), /read --env-file \/nope\/env: ENOENT/)
  })
  test('labels and pairs', () => {
    assert.deepEqual(parseLabelFlag('a=b=c'), ['a', 'b=c'])
    assert.deepEqual(parseLabelFlag('a'), ['a', ''])
    assert.throws(() => parseLabelFlag('=b'), /key is empty/)
    assert.deepEqual(parseKeyValue('sysctl', 'net.x=1'), ['net.x', '1'])
    assert.throws(() => parseKeyValue('annotation', 'x'), /must be formatted KEY=VALUE/)
  })
})

describe('devices and ulimits', () => {
  test('--device', () => {
    assert.deepEqual(parseDeviceFlag('/dev/fuse'), { hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rwm' })
    assert.deepEqual(parseDeviceFlag('/dev/a:/dev/b:rw'), { hostPath: '/dev/a', containerPath: '/dev/b', permissions: 'rw' })
    assert.deepEqual(parseDeviceFlag('/dev/a:r'), { hostPath: '/dev/a', containerPath: '/dev/a', permissions: 'r' })
    for (const bad of ['/dev/a:/dev/b:xyz', '/dev/a:rr', 'fuse', '/a:/b:r:w', 'vendor.com/gpu=all']) assert.throws(() => parseDeviceFlag(bad), /invalid --device/)
  })
  test('--device-cgroup-rule', () => {
    assert.deepEqual(parseDeviceCgroupRule('c 10:* rw'), { allow: true, type: 'c', access: 'rw', major: 10 })
    assert.deepEqual(parseDeviceCgroupRule('a 7 rmw'), { allow: true, type: 'a', access: 'rmw', major: 7 })
    assert.throws(() => parseDeviceCgroupRule('x 1:2 r'), /invalid device type in device-access-add: x/)
    assert.throws(() => parseDeviceCgroupRule('b 7:2'), /requires type, major:Minor, and access rules: "b 7:2"/)
    assert.throws(() => parseDeviceCgroupRule('b 7:* rmX'), /invalid device access in device-access-add: X/)
  })
  test('--ulimit', () => {
    assert.deepEqual(parseUlimitFlag('nofile=100:200'), { name: 'nofile', soft: 100, hard: 200 })
    assert.deepEqual(parseUlimitFlag('RLIMIT_CORE=-1'), { name: 'core', soft: -1, hard: -1 })
    assert.throws(() => parseUlimitFlag('nofile'), /requires name=SOFT:HARD/)
    assert.throws(() => parseUlimitFlag('foo=1'), /invalid ulimit type: foo/)
    assert.throws(() => parseUlimitFlag('nofile=5:1'), /less than or equal/)
  })
})

describe('namespaces', () => {
  test('modes', () => {
    assert.deepEqual(parseNamespaceMode('pid', 'host'), { mode: 'host' })
    assert.deepEqual(parseNamespaceMode('ipc', 'shareable'), { mode: 'shareable' })
    assert.deepEqual(parseNamespaceMode('uts', 'container:web'), { mode: 'container', containerId: 'web' })
    assert.deepEqual(parseNamespaceMode('cgroupns', 'ns:/proc/1/ns/cgroup'), { mode: 'path', path: '/proc/1/ns/cgroup' })
    assert.throws(() => parseNamespaceMode('pid', 'shareable'), /unrecognized namespace mode shareable passed/)
    assert.throws(() => parseNamespaceMode('userns', 'keep-id'), /not supported yet/)
    assert.throws(() => parseNamespaceMode('pid', 'container:'), /name or id/)
  })
  test('networks', () => {
    assert.deepEqual(parseNetworkMode([]), { mode: 'bridge', networks: [] })
    assert.deepEqual(parseNetworkMode(['none']), { mode: 'none' })
    assert.deepEqual(parseNetworkMode(['container:web']), { mode: 'container', containerId: 'web' })
    assert.deepEqual(parseNetworkMode(['a,b']), { mode: 'bridge', networks: [{ name: 'a' }, { name: 'b' }] })
    assert.deepEqual(parseNetworkMode(['a:ip=10.0.0.5', 'b']), { mode: 'bridge', networks: [{ name: 'a', ip: '10.0.0.5' }, { name: 'b' }] })
    assert.throws(() => parseNetworkMode(['a:alias=x']), /a:alias=x.*name resolution/)
    assert.throws(() => parseNetworkMode(['host', 'a']), /cannot set multiple networks without bridge network mode/)
    assert.throws(() => parseNetworkMode(['pasta']), /not supported yet/)
    assert.throws(() => parseNetworkMode(['a:foo=1']), /unknown bridge network option: foo/)
  })
})
