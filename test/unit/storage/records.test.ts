import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { RecordTable } from '../../../src/storage/records/record-table.ts'
import type { StoredRecord } from '../../../src/storage/records/record-file.ts'

const directory = mkdtempSync(join(tmpdir(), 'tpod-records-'))
after(() => rmSync(directory, { recursive: true, force: true }))
let count = 0

function newTable() {
  const path = join(directory, String(count++))
  mkdirSync(path)
  const options = { lockPath: join(path, 'x.lock'), mainPath: join(path, 'x.json'), volatilePath: join(path, 'volatile-x.json') }
  return { options, table: new RecordTable<StoredRecord>(options), other: new RecordTable<StoredRecord>(options) }
}
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

test('a change by another user of the files is seen, and unknown fields survive ours', async () => {
  const { options, table, other } = newTable()
  writeFileSync(options.mainPath, '[{"id":"a","created":"2026-01-02T03:04:05.123456789Z","future":{"x":[1]}}]')
  assert.equal(table.read().get('a')?.['created'], '2026-01-02T03:04:05.123456789Z')
  await other.write(async transaction => {
    transaction.put({ id: 'b', names: ['bee'] })
    await transaction.save()
  })
  await sleep(2)
  assert.equal(table.read().findByName('bee')?.id, 'b')
  await table.write(async transaction => {
    transaction.put({ ...transaction.snapshot.get('a')!, names: ['ay'] })
    await transaction.save()
  })
  assert.deepEqual(JSON.parse(readFileSync(options.mainPath, 'utf8')), [
    { id: 'a', created: '2026-01-02T03:04:05.123456789Z', future: { x: [1] }, names: ['ay'] },
    { id: 'b', names: ['bee'] },
  ])
})

test('each record stays in its file, and only that file is rewritten', async () => {
  const { options, table } = newTable()
  await table.write(async transaction => {
    transaction.put({ id: 'durable' })
    transaction.put({ id: 'fleeting' }, { volatile: true })
    await transaction.save()
  })
  const main = readFileSync(options.mainPath, 'utf8')
  await table.write(async transaction => {
    transaction.put({ id: 'fleeting', names: ['n'] })
    await transaction.save()
  })
  assert.equal(readFileSync(options.mainPath, 'utf8'), main)
  assert.equal(readFileSync(options.volatilePath, 'utf8'), '[{"id":"fleeting","names":["n"]}]')
})

test('what was not saved is not there, and not remembered', async () => {
  const { table } = newTable()
  await assert.rejects(
    table.write(transaction => {
      transaction.put({ id: 'lost' })
      throw new Error('stop')
    }),
    /stop/,
  )
  await table.write(async transaction => {
    transaction.put({ id: 'kept' })
    await transaction.save()
    transaction.put({ id: 'late' })
  })
  assert.deepEqual(table.read().all.map(record => record.id), ['kept'])
})

test('parallel writers of several tables lose nothing', async () => {
  const { table, other } = newTable()
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      (i % 2 === 0 ? table : other).write(async transaction => {
        transaction.put({ id: `r${i}` }, { volatile: i % 3 === 0 })
        await transaction.save()
      }),
    ),
  )
  await sleep(2)
  assert.equal(table.read().all.length, 40)
})

test('null is an empty list; anything else that is no list of records is an error, and stays as it is', async () => {
  const { options, table } = newTable()
  writeFileSync(options.mainPath, 'null')
  assert.deepEqual(table.read().all, [])
  for (const bad of ['', '[{"id":"a"},', '{}', '[1]', '[{"id":7}]']) {
    await sleep(2)
    writeFileSync(options.mainPath, bad)
    assert.throws(() => table.read(), { code: 'STORE_CORRUPT' })
    await assert.rejects(table.write(transaction => transaction.save()), { code: 'STORE_CORRUPT' })
    assert.equal(readFileSync(options.mainPath, 'utf8'), bad)
  }
})
