import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alignColumns, goFieldNames, headerWord, renderList, renderObject } from '../../../src/cli/format.ts'

const list = { format: undefined, defaultTemplate: 'table {{.ID}}\t{{.Names}}\t{{.Status}}', headers: { ID: 'CONTAINER ID' } }
const rows = [{ ID: 'abc', Names: 'a', Status: 'Up' }, { ID: '0123456789abcdef', Names: 'bb', Status: 'Exited' }]

test('columns are at least 12 wide and 2 apart, the last one is free', () => {
  assert.equal(alignColumns('A\tB\tC\nlonger than twelve\tx\ty\n'), 'A                   B           C\nlonger than twelve  x           y\n')
})

test('the default listing has podman\'s header words', async () => {
  assert.equal(await renderList(rows, list, () => rows), [
    'CONTAINER ID      NAMES       STATUS', 'abc               a           Up', '0123456789abcdef  bb          Exited', '',
  ].join('\n'))
})

test('an empty listing is its header, or nothing without one', async () => {
  assert.equal(await renderList([], list, () => []), 'CONTAINER ID  NAMES       STATUS\n')
  assert.equal(await renderList([], { ...list, noHeading: true }, () => []), '')
})

test('json ignores the columns', async () => {
  assert.deepEqual(JSON.parse(await renderList(rows, { ...list, format: 'json' }, () => rows)), rows)
})

test('header words split at capitals', () => {
  assert.equal(headerWord('CreatedAt'), 'CREATED AT')
  assert.equal(headerWord('ID'), 'ID')
})

test('templates reach JSON-keyed values by Go\'s names too, inside lists as well', async () => {
  const network = goFieldNames({ name: 'podman', dns_enabled: false, subnets: [{ subnet: '10.0.0.0/16' }] })
  assert.equal(await renderObject(network, '{{.Name}} {{.DNSEnabled}} {{range .Subnets}}{{.Subnet}}{{end}} {{.name}}'), 'podman false 10.0.0.0/16 podman')
})
