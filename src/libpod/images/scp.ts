/**
 * `image scp`: an image from one store into another, where the two may belong to other users of this machine or to hosts
 * behind ssh. A `save` there is piped into a `load` here (or the other way round): nothing is kept on a disk in between.
 */
import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { TpodError, throwIfAborted } from '../../errors/tpod-error.ts'
import { native } from '../../host/native/native.ts'
import { normalizeNewName } from '../../image/local/tag.ts'
import type { Engine } from '../engine.ts'
import { parseScpArgument, scpCommand } from './scp-end.ts'
import type { PreparedCommand, ScpCommand, ScpEnd } from './scp-end.ts'

export interface ScpOptions {
  /** Of the archive that travels; default docker-archive. */
  format?: 'docker-archive' | 'oci-archive'
  signal?: AbortSignal
}

const keptErrorBytes = 8192
/** Names of the images loaded; from the far side, which may never end. */
const keptOutputBytes = 1024 * 1024

/**
 * Copies `source` ([HOST::]IMAGE or USER@localhost::IMAGE) to `destination` ([HOST::][NAME]; absent: this store). With NAME the
 * image gets that name there, too. Gives the lines that the loading side printed. Hosts are connections of containers.conf
 * and podman-connections.json, or [USER@]HOST[:PORT]. Throws BAD_ARGUMENTS, SCP_FAILED with what the side that failed said.
 */
export async function scpImage(engine: Engine, source: string, destination: string | undefined, options: ScpOptions = {}): Promise<string[]> {
  const from = parseScpArgument(source)
  const to = destination === undefined ? { kind: 'here' as const, image: '' } : parseScpArgument(destination)
  checkEnds(from, destination !== undefined)
  const name = to.image === '' ? undefined : normalizeNewName(to.image)
  const [saver, loader] = await Promise.all([scpCommand(engine, from), scpCommand(engine, to)])
  const loaded = await pipe(saver(['save', '-q', '--format', options.format ?? 'docker-archive', from.image]), loader(['load', '-q']), options.signal)
  // The far side's words: they must not drive the terminal.
  const lines = loaded.split('\n').filter((line) => line !== '').map((line) => line.replaceAll(/\p{Cc}/gu, '?'))
  if (name !== undefined) await tagLoaded(loader, lines, name, options.signal)
  return lines
}

function checkEnds(from: ScpEnd, hasDestination: boolean): void {
  if (from.image === '') throw new TpodError('BAD_ARGUMENTS', hasDestination ? 'a source image must be specified: invalid argument' : 'no source image specified: invalid argument')
  if (from.kind === 'here' && !hasDestination) throw new TpodError('BAD_ARGUMENTS', 'must specify a destination: invalid argument')
}

/** `Loaded image: NAME` is what both podman and tpod print. */
async function tagLoaded(loader: ScpCommand, lines: readonly string[], name: string, signal: AbortSignal | undefined): Promise<void> {
  const image = /([^\s,]+)$/.exec(lines.at(-1) ?? '')?.[1]
  if (image === undefined) throw new TpodError('SCP_FAILED', `name the copied image ${name}: the other side did not say what it loaded`)
  const command = loader(['tag', image, name])
  const tagger = start(command, ['ignore', 'ignore', 'pipe'], signal)
  const { code, errors } = await tagger.ended
  if (code !== 0) throw failed(`name the copied image ${name}${command.place}`, code, errors)
}

/** What the second printed. Both have ended when this returns or throws. */
async function pipe(save: PreparedCommand, load: PreparedCommand, signal: AbortSignal | undefined): Promise<string> {
  throwIfAborted(signal)
  const [read, write] = native.pipe()
  const children: Child[] = []
  try {
    children.push(start(save, ['ignore', write, 'pipe'], signal))
    children.push(start(load, [read, 'pipe', 'pipe'], signal))
  } finally {
    closeSync(read)
    closeSync(write)
  }
  const [saved, loaded] = await Promise.all(children.map(({ ended }) => ended))
  throwIfAborted(signal)
  // A side that breaks off makes the other one fail: what it says itself counts, not that its pipe was closed.
  const isSaveCause = saved!.code !== 0 && saved!.code !== 'SIGPIPE' && (loaded!.code === 0 || saved!.errors !== '')
  if (isSaveCause && !/broken pipe|EPIPE/i.test(saved!.errors)) throw failed(`save the image${save.place}`, saved!.code, saved!.errors)
  if (loaded!.code !== 0) throw failed(`load the image${load.place}`, loaded!.code, loaded!.errors)
  if (saved!.code !== 0) throw failed(`save the image${save.place}`, saved!.code, saved!.errors)
  return loaded!.output
}

interface Ended { code: number | string; output: string; errors: string }
interface Child { ended: Promise<Ended> }

function start({ argv, env, hasOwnSession = false }: Omit<PreparedCommand, 'place'>, stdio: ('ignore' | 'pipe' | number)[], signal: AbortSignal | undefined): Child {
  const [file, ...args] = argv
  const child = spawn(file!, args, { env, stdio, detached: hasOwnSession })
  const output: Buffer[] = []
  let outputBytes = 0
  let errors = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length
    if (outputBytes <= keptOutputBytes) output.push(chunk)
    else {
      child.kill('SIGTERM')
      child.stdout?.destroy()
    }
  })
  child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-keptErrorBytes)))
  const stop = (): void => void child.kill('SIGTERM')
  signal?.addEventListener('abort', stop, { once: true })
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (error) => resolve({ code: 127, output: '', errors: error.message }))
    child.once('close', (code, by) => resolve({ code: code ?? by ?? 128, output: Buffer.concat(output).toString(), errors }))
  }).finally(() => signal?.removeEventListener('abort', stop))
  return { ended }
}

function failed(action: string, code: number | string, errors: string): TpodError {
  const said = errors.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('Hint:')).at(-1)?.replace(/^Error: /, '')
  return new TpodError('SCP_FAILED', `${action}: ${said ?? `it ended with ${code}`}`)
}
