import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitArgv, splitCsv } from '../../../src/cli/argv.ts'
import { bool, csv, integer, list, text, uint } from '../../../src/cli/options.ts'

const flags = {
  all: bool('', { char: 'a' }),
  detach: bool('', { char: 'd' }),
  interactive: bool('', { char: 'i' }),
  tty: bool('', { char: 't' }),
  'tls-verify': bool('', { default: true }),
  env: list('', { char: 'e' }),
  volume: list('', { char: 'v' }),
  'cap-add': csv(''),
  name: text(''),
  network: list('', { aliases: ['net'] }),
  time: uint('', { char: 't' as never }),
  tail: integer(''),
  pull: text('', { options: ['always', 'never'] }),
}
const split = (argv: string[], passthrough = false) => splitArgv(argv, flags, { passthrough })

test('the words after the image are the container\'s, flags and repetitions included', () => {
  const { flags: values, positionals } = split(['-i', '--name', 'x', 'alpine', 'echo', 'a', '-l', 'echo', '--', '--name', 'b'], true)
  assert.deepEqual(positionals, ['alpine', 'echo', 'a', '-l', 'echo', '--', '--name', 'b'])
  assert.equal(values['name'], 'x')
  assert.equal(values['interactive'], true)
})

test('a -- before the image is dropped, one after it is kept', () => {
  assert.deepEqual(split(['--', 'alpine', '--', '-x'], true).positionals, ['alpine', '--', '-x'])
})

test('a repeated list flag takes one word each time', () => {
  assert.deepEqual(split(['-v', '/a:/b', 'alpine', 'sh'], true).flags['volume'], ['/a:/b'])
  assert.deepEqual(split(['-v', '/a:/b', '-v/c:/d', '--volume=/e:/f']).flags['volume'], ['/a:/b', '/c:/d', '/e:/f'])
})

test('the last of a repeated single flag wins', () => {
  assert.equal(split(['--name', 'a', '--name=b']).flags['name'], 'b')
})

test('short flags bundle, and their values attach', () => {
  const { flags: values } = split(['-aid', '-eA=1', '-e=B=2', '-e', 'C=3'])
  assert.equal(values['all'], true)
  assert.equal(values['detach'], true)
  assert.deepEqual(values['env'], ['A=1', 'B=2', 'C=3'])
})

test('a bundle may end with a flag that takes a value', () => {
  assert.deepEqual(split(['-ieX=1', 'rest']).flags['env'], ['X=1'])
})

test('booleans take =false, and keep their default otherwise', () => {
  assert.equal(split([]).flags['tls-verify'], true)
  assert.equal(split(['--tls-verify=false']).flags['tls-verify'], false)
  assert.equal(split(['--all=0', '-a=true']).flags['all'], true)
  assert.throws(() => split(['--all=maybe']), /invalid argument "maybe" for "-a, --all" flag/)
})

test('values may look like flags or be negative or empty', () => {
  assert.equal(split(['--name', '-i']).flags['name'], '-i')
  assert.equal(split(['--name=']).flags['name'], '')
  assert.equal(split(['--tail', '-1']).flags['tail'], -1)
  assert.throws(() => split(['--time', '-1']), /invalid argument "-1"/)
})

test('comma lists split, quotes protect, arrays do not split', () => {
  assert.deepEqual(split(['--cap-add', 'a,b', '--cap-add=c']).flags['cap-add'], ['a', 'b', 'c'])
  assert.deepEqual(splitCsv('"a,b",c,"say ""hi"""'), ['a,b', 'c', 'say "hi"'])
  assert.deepEqual(split(['-e', 'A=1,2']).flags['env'], ['A=1,2'])
})

test('aliases count as the flag itself', () => {
  const { flags: values, given } = split(['--net', 'none'])
  assert.deepEqual(values['network'], ['none'])
  assert.ok(given.has('network'))
})

test('mistakes are named in pflag\'s words', () => {
  assert.throws(() => split(['--nope']), /unknown flag: --nope/)
  assert.throws(() => split(['-iz']), /unknown shorthand flag: 'z' in -iz/)
  assert.throws(() => split(['--name']), /flag needs an argument: --name/)
  assert.throws(() => split(['-e']), /flag needs an argument: 'e' in -e/)
  assert.throws(() => split(['--pull', 'sometimes']), /must be one of: always, never/)
})

test('--help counts where it stands before an error', () => {
  assert.equal(split(['--help', '--nope']).help, true)
  assert.equal(split(['alpine', '--help'], true).help, false)
  assert.equal(split(['-h']).help, true)
})
