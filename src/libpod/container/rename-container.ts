import type { Engine } from '../engine.ts'
import { writeConfig } from '../state/container-files.ts'
import { withContainerLock } from '../state/container-lock.ts'
import { getContainer } from '../state/find-container.ts'

/**
 * The storage record is changed first: it decides who has a name, and refuses one in use (NAME_IN_USE). A crash between
 * the two leaves the new name in the store and the old one in `inspect`; lookups go by the store.
 */
export async function renameContainer(engine: Engine, nameOrId: string, newName: string): Promise<string> {
  const { id } = await getContainer(engine, nameOrId)
  await withContainerLock(engine.state, id, async ({ config }) => {
    const { checkContainerName } = await import('./container-name.ts')
    checkContainerName(newName)
    await engine.store.renameContainer(id, [newName])
    await writeConfig(engine.state, { ...config, name: newName, spec: { ...config.spec, name: newName } })
  })
  return id
}
