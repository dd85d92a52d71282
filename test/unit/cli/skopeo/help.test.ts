import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderSkopeoCommandHelp, renderSkopeoHelp } from '../../../../src/cli/skopeo/help.ts'
import { skopeoTable } from '../../../../src/commands/skopeo/table.ts'
import { commandTable } from '../../../../src/commands/table.ts'

test('the help of skopeo lists its commands and global flags, not the hidden ones', () => {
  const help = renderSkopeoHelp(skopeoTable)
  for (const name of ['copy', 'delete', 'inspect', 'list-tags', 'login', 'logout', 'manifest-digest', 'standalone-sign', 'standalone-verify', 'sync']) assert.match(help, new RegExp(`^  ${name} `, 'm'))
  assert.match(help, /^ {6}--insecure-policy /m)
  assert.doesNotMatch(help, /__complete|registries-conf|untrusted|--root/)
})

test('global flags are not repeated in the help of a command; tpod, where they are its own, shows them', async () => {
  const entry = skopeoTable.commands.find(({ path }) => path === 'copy')!
  const { default: Class } = await entry.load()
  const help = renderSkopeoCommandHelp(entry, Class, skopeoTable)
  assert.match(help, /Usage:\nskopeo copy \[command options\] SOURCE-IMAGE DESTINATION-IMAGE\n/)
  assert.match(help, /^ {2}-a, --all /m)
  assert.doesNotMatch(help, /--insecure-policy|--override-arch/)
  const { renderCommandHelp } = await import('../../../../src/cli/help.ts')
  const own = commandTable.commands.find(({ path }) => path === 'image copy')!
  assert.match(renderCommandHelp(own, Class, own.path), /--insecure-policy/)
})

test('both names run the same classes', async () => {
  for (const [name, own] of [['copy', 'image copy'], ['sync', 'image sync'], ['delete', 'image delete'], ['list-tags', 'image list-tags'], ['login', 'login']] as const) {
    const load = async (table: typeof commandTable, path: string): Promise<unknown> => (await table.commands.find((entry) => entry.path === path)!.load()).default
    assert.equal(await load(skopeoTable, name), await load(commandTable, own), name)
  }
})
