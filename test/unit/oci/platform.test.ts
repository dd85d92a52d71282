import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Descriptor } from '../../../src/oci/image-types.ts'
import { chooseInstance, formatPlatform, hostPlatform, parsePlatform } from '../../../src/oci/platform.ts'

const host = hostPlatform('x64')
const instances = ['linux/amd64', 'linux/arm64/v8', 'linux/arm/v6', 'linux/arm/v7', 'linux/386', 'unknown/unknown'].map((text): Descriptor => {
  const [os, architecture, variant] = text.split('/') as [string, string, string?]
  return { mediaType: '', digest: text, size: 0, platform: { os, architecture, ...(variant === undefined ? {} : { variant }) } }
})

const choices: [string, string | undefined][] = [
  ['linux/amd64', 'linux/amd64'],
  ['linux/x86_64', 'linux/amd64'],
  ['linux/arm64', 'linux/arm64/v8'],
  ['linux/aarch64', 'linux/arm64/v8'],
  ['linux/arm/v8', 'linux/arm/v7'],
  ['linux/arm/v7', 'linux/arm/v7'],
  ['linux/arm/v6', 'linux/arm/v6'],
  ['linux/arm/v5', undefined],
  ['linux/armhf', 'linux/arm/v7'],
  ['arm64', 'linux/arm64/v8'],
  ['linux/s390x', undefined],
  ['windows/amd64', undefined],
]
for (const [wanted, chosen] of choices) {
  test(`${wanted} gets ${chosen ?? 'nothing'}`, () => assert.equal(chooseInstance(instances, parsePlatform(wanted, host))?.digest, chosen))
}

test('the host in the names of OCI', () => {
  assert.equal(formatPlatform(hostPlatform('x64')), 'linux/amd64')
  assert.equal(formatPlatform(hostPlatform('arm64')), 'linux/arm64')
})

test('nonsense is refused', () => {
  for (const text of ['', 'a/b/c/d', 'linux/', 'linux/am d64']) assert.throws(() => parsePlatform(text, host), { code: 'BAD_PLATFORM' })
})
