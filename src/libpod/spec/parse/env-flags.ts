/** -e and --env-file. The caller's environment is passed in: the library reads none. */
import { readFileSync } from 'node:fs'
import { TpodError, errorMessage } from '../../../errors/tpod-error.ts'
import type { EnvVar } from '../../types.ts'
import { flagError } from './flag-error.ts'

type HostEnv = Readonly<Record<string, string | undefined>>

/**
 * `NAME=VALUE`; `NAME` takes the caller's value (nothing when it has none); `PRE*` all names that begin so.
 * Only what the user typed may name the caller's variables: an image's entries never come through here.
 */
export function parseEnvFlag(text: string, hostEnv: HostEnv, flag = 'env'): EnvVar[] {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  if (name === '') throw flagError(flag, text, 'invalid variable: the name is empty')
  if (text.includes('\0')) throw flagError(flag, text, 'NUL in a variable')
  if (equals >= 0) return [{ name, value: text.slice(equals + 1) }]
  if (name.endsWith('*')) {
    const prefix = name.slice(0, -1)
    return Object.entries(hostEnv).flatMap(([key, value]) => (key.startsWith(prefix) && value !== undefined ? [{ name: key, value }] : []))
  }
  const value = hostEnv[name]
  return value === undefined ? [] : [{ name, value }]
}

/** Lines `NAME=VALUE` or `NAME`; blank lines and `#` comments are skipped; values are taken literally, quotes included. */
export function parseEnvFile(content: string, hostEnv: HostEnv): EnvVar[] {
  return dataLines(content).flatMap((line) => {
    const equals = line.indexOf('=')
    const name = equals < 0 ? line : line.slice(0, equals)
    if (/\s/.test(name.trim())) throw flagError('env-file', line, 'variable has white spaces in its name')
    return parseEnvFlag(line, hostEnv, 'env-file')
  })
}

/** Reads one --env-file. Throws FILE_UNREADABLE. */
export function readEnvFile(path: string, hostEnv: HostEnv): EnvVar[] {
  return parseEnvFile(readFlagFile('env-file', path), hostEnv)
}

/** `key=value`; without `=` the value is ''. Throws BAD_FLAG for an empty key. */
export function parseLabelFlag(text: string, flag = 'label'): [key: string, value: string] {
  const equals = text.indexOf('=')
  const key = equals < 0 ? text : text.slice(0, equals)
  if (key === '') throw flagError(flag, text, `invalid ${flag}: the key is empty`)
  return [key, equals < 0 ? '' : text.slice(equals + 1)]
}

/** Reads one --label-file. Throws FILE_UNREADABLE. */
export function readLabelFile(path: string): Record<string, string> {
  return Object.fromEntries(dataLines(readFlagFile('label-file', path)).map((line) => parseLabelFlag(line, 'label-file')))
}

/** --annotation, --log-opt, --sysctl: `key=value`, where the value is required. Throws BAD_FLAG. */
export function parseKeyValue(flag: string, text: string): [key: string, value: string] {
  const equals = text.indexOf('=')
  if (equals <= 0) throw flagError(flag, text, 'must be formatted KEY=VALUE')
  return [text.slice(0, equals), text.slice(equals + 1)]
}

function dataLines(content: string): string[] {
  return content.replace(/^\uFEFF/, '').split('\n').map((line) => line.replace(/\r$/, '').trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function readFlagFile(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new TpodError('FILE_UNREADABLE', `read --${flag} ${path}: ${errorMessage(error)}`, { cause: error })
  }
}
