import type { Engine } from '../engine.ts'
import { TpodError } from '../../errors/tpod-error.ts'
import type { ContainerConfig } from '../types.ts'
import { observeState } from '../state/container-files.ts'
import { isActive } from '../state/derive-state.ts'
import { getContainer } from '../state/find-container.ts'
import { readLog, type LogRecord, type ReadLogOptions } from './read-log.ts'
import { waitForExit } from './wait-exit.ts'

export interface LogsOptions {
  follow?: boolean
  sinceMs?: number
  untilMs?: number
  /** Lines from the end; undefined or negative: all. */
  tail?: number
  signal?: AbortSignal
}

export interface ContainerLogRecord extends LogRecord {
  id: string
  name: string
}

/**
 * The log of one or several containers; several are merged as their records come (each in its own order). With `follow` it ends
 * when all have ended and everything they wrote was delivered. Throws NO_SUCH_CONTAINER before the first record,
 * NO_LOG for drivers that keep none here.
 */
export async function* containerLogs(engine: Engine, namesOrIds: readonly string[], options: LogsOptions = {}): AsyncGenerator<ContainerLogRecord> {
  const configs: ContainerConfig[] = []
  for (const nameOrId of namesOrIds) {
    const config = await getContainer(engine, nameOrId)
    checkDriver(config, nameOrId)
    configs.push(config)
  }
  const sources = configs.map((config) => oneLog(engine, config, options))
  const [only] = sources
  if (sources.length === 1 && only !== undefined) yield* only
  else if (options.follow === true) yield* merge(sources)
  else for (const source of sources) yield* source
}

function checkDriver(config: ContainerConfig, nameOrId: string): void {
  if (['k8s-file', 'json-file', 'journald'].includes(config.logDriver)) return
  throw new TpodError('NO_LOG', `read the log of ${nameOrId}: this container is using the '${config.logDriver}' log driver, cannot read logs`, {
    remedy: 'create it with --log-driver k8s-file',
  })
}

async function* oneLog(engine: Engine, config: ContainerConfig, options: LogsOptions): AsyncGenerator<ContainerLogRecord> {
  const ending = new AbortController()
  const end = options.follow === true ? endOf(engine, config.id, ending.signal) : undefined
  try {
    for await (const record of await openLog(config, { ...options, follow: end })) {
      yield { ...record, id: config.id, name: config.name }
    }
  } finally {
    ending.abort()
  }
}

async function openLog(config: ContainerConfig, options: ReadLogOptions): Promise<AsyncGenerator<LogRecord>> {
  if (config.logDriver !== 'journald') return readLog(config.logPath, options)
  const { readJournal } = await import('./read-journal.ts')
  return readJournal(config.id, options)
}

/** Resolves when nothing more will be written; a container that does not run now is at its end. */
async function endOf(engine: Engine, id: string, signal: AbortSignal): Promise<void> {
  const state = observeState(engine.state, id)
  if (!isActive(state.status)) return
  await waitForExit(engine.state, id, state, signal).catch(() => undefined)
}

/** Yields from whichever source has something. */
async function* merge<T>(sources: readonly AsyncGenerator<T>[]): AsyncGenerator<T> {
  const waiting = new Map(sources.map((source) => [source, nextOf(source)]))
  try {
    while (waiting.size > 0) {
      const { source, result } = await Promise.race(waiting.values())
      if (result.done === true) {
        waiting.delete(source)
      } else {
        waiting.set(source, nextOf(source))
        yield result.value
      }
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)))
  }
}

async function nextOf<T>(source: AsyncGenerator<T>): Promise<{ source: AsyncGenerator<T>; result: IteratorResult<T> }> {
  return { source, result: await source.next() }
}
