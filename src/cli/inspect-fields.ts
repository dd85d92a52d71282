/** An object of `inspect` as podman's templates see it: Go's times, and the fields that its JSON leaves out when empty. */
import { GoTime } from '../text/go-template/go-time.ts'
import { isJsonObject } from '../text/strict-json.ts'
import { goFieldNames } from './format.ts'

const timeFields: ReadonlySet<string> = new Set(['Created', 'created', 'CreatedAt', 'StartedAt', 'FinishedAt'])

/** `value` is what `inspect` prints as JSON. With `asGo` times are Go's, with docker they are text. */
export function inspectFields(value: unknown, asGo: boolean): unknown {
  const named = goFieldNames(value, false, asGo ? (key, item) => (timeFields.has(key) && typeof item === 'string' ? GoTime.parse(item) ?? item : item) : undefined)
  if (isJsonObject(named) && 'RootFS' in named && 'RepoTags' in named) addImageZeros(named)
  return named
}

/** Scripts ask for `.Config.Cmd` of images that have none: what Go leaves out of the JSON has its zero value in a template. */
function addImageZeros(image: Record<string, unknown>): void {
  addHidden(image, { HealthCheck: null, NamesHistory: [] })
  if (isJsonObject(image['Config'])) {
    addHidden(image['Config'], {
      User: '', ExposedPorts: new Map(), Env: [], Entrypoint: [], Cmd: [], Volumes: new Map(), WorkingDir: '', Labels: new Map(), StopSignal: '', ArgsEscaped: false,
    })
  }
  for (const step of Array.isArray(image['History']) ? image['History'] : []) {
    if (isJsonObject(step)) addHidden(step, { CreatedBy: '', Author: '', Comment: '', EmptyLayer: false })
  }
  // A nil map of Go's is an empty one.
  for (const name of ['Labels', 'Annotations']) if (image[name] === null) Object.defineProperty(image, name, { value: new Map(), enumerable: true, configurable: true })
}

function addHidden(target: Record<string, unknown>, zeros: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(zeros)) if (!Object.hasOwn(target, name)) Object.defineProperty(target, name, { value, configurable: true })
}
