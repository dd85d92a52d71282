/** Deterministic tar writer: ustar headers, pax records where ustar cannot say it. Same members, same bytes. */
import type { ByteString } from './byte-string.ts'
import { blockBytes } from './tar-header.ts'
import type { TarEntryKind } from './tar-entry.ts'

export interface TarMember {
  kind: TarEntryKind
  /** Without leading slash; a directory's trailing slash is added. */
  name: ByteString
  linkName?: ByteString
  mode: number
  uid?: number
  gid?: number
  /** Default 0, the epoch. */
  mtimeSec?: number
  mtimeNsec?: number
  deviceMajor?: number
  deviceMinor?: number
  xattrs?: ReadonlyMap<ByteString, Uint8Array>
  /** A file's content; `sizeBytes` is required for one that streams. */
  content?: Uint8Array | AsyncIterable<Uint8Array>
  sizeBytes?: number
}

const typeFlags: Readonly<Record<TarEntryKind, string>> = {
  file: '0', hardlink: '1', symlink: '2', character: '3', block: '4', directory: '5', fifo: '6',
}

/**
 * The members as a tar stream, ended by two zero blocks. A streamed content that is not `sizeBytes` long is cut or
 * filled with zeros, as tar does with a file that changes while it is read. Errors of contents pass through.
 */
export async function* writeTar(members: Iterable<TarMember> | AsyncIterable<TarMember>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const member of members) {
    const sizeBytes = memberSize(member)
    yield formatMemberHeader(member, sizeBytes)
    if (sizeBytes === 0 || member.content === undefined) continue
    if (member.content instanceof Uint8Array) yield member.content
    else yield* exactly(member.content, sizeBytes)
    const over = sizeBytes % blockBytes
    if (over !== 0) yield Buffer.alloc(blockBytes - over)
  }
  yield Buffer.alloc(2 * blockBytes)
}

/** The header blocks of a member: its pax header, if one is needed, and its ustar header. */
export function formatMemberHeader(member: TarMember, sizeBytes: number): Buffer {
  const name = member.kind === 'directory' && !member.name.endsWith('/') ? `${member.name}/` : member.name
  const records = paxRecordsFor(member, name, sizeBytes)
  const main = formatHeader(typeFlags[member.kind], name, member, sizeBytes)
  if (records.length === 0) return main
  const data = Buffer.from(records.join(''), 'latin1')
  const base = name.replace(/\/$/, '').split('/').at(-1) ?? ''
  const header = formatHeader('x', `PaxHeaders.0/${base}`, { mode: 0o644 }, data.length)
  const padding = Buffer.alloc((blockBytes - (data.length % blockBytes)) % blockBytes)
  return Buffer.concat([header, data, padding, main])
}

function memberSize(member: TarMember): number {
  if (member.kind !== 'file') return 0
  return member.content instanceof Uint8Array ? member.content.length : (member.sizeBytes ?? 0)
}

async function* exactly(content: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array> {
  let left = sizeBytes
  for await (const chunk of content) {
    if (left === 0) break
    const part = chunk.length > left ? chunk.subarray(0, left) : chunk
    left -= part.length
    yield part
  }
  for (; left > 0; left -= Math.min(left, zeros.length)) yield zeros.subarray(0, Math.min(left, zeros.length))
}

const zeros = Buffer.alloc(64 * 1024)

const maximumOctal7 = 0o7777777
const maximumOctal11 = 0o77777777777

function paxRecordsFor(member: TarMember, name: ByteString, sizeBytes: number): ByteString[] {
  const records: ByteString[] = []
  const linkName = member.linkName ?? ''
  const seconds = member.mtimeSec ?? 0
  const nanoseconds = member.mtimeNsec ?? 0
  if (!fitsField(name)) records.push(paxRecord('path', name))
  if (!fitsField(linkName)) records.push(paxRecord('linkpath', linkName))
  if (sizeBytes > maximumOctal11) records.push(paxRecord('size', String(sizeBytes)))
  if ((member.uid ?? 0) > maximumOctal7) records.push(paxRecord('uid', String(member.uid)))
  if ((member.gid ?? 0) > maximumOctal7) records.push(paxRecord('gid', String(member.gid)))
  if (nanoseconds !== 0 || seconds < 0 || seconds > maximumOctal11) records.push(paxRecord('mtime', formatTime(seconds, nanoseconds)))
  const xattrs = [...(member.xattrs ?? [])].toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [key, value] of xattrs) records.push(paxRecord(`SCHILY.xattr.${key}`, Buffer.from(value).toString('latin1')))
  return records
}

function fitsField(text: ByteString): boolean {
  return text.length <= 100 && !/[\x80-\xff]/.test(text)
}

/** The record's length counts its own digits. */
function paxRecord(key: ByteString, value: ByteString): ByteString {
  const rest = key.length + value.length + 3
  let length = rest + String(rest).length
  if (String(length).length !== String(rest).length) length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}

function formatTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds)
  const isNegative = seconds < 0
  const whole = isNegative ? -seconds - 1 : seconds
  const fraction = isNegative ? 1e9 - nanoseconds : nanoseconds
  return `${isNegative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`
}

function formatHeader(typeFlag: string, name: ByteString, member: Partial<TarMember>, sizeBytes: number): Buffer {
  const block = Buffer.alloc(blockBytes)
  const octal = (value: number, digits: number, at: number) => {
    const maximum = 8 ** digits - 1
    block.write(Math.min(Math.max(value, 0), maximum).toString(8).padStart(digits, '0'), at, 'latin1')
  }
  block.write(name.slice(0, 100), 0, 'latin1')
  octal((member.mode ?? 0) & 0o7777, 7, 100)
  octal(member.uid ?? 0, 7, 108)
  octal(member.gid ?? 0, 7, 116)
  octal(sizeBytes, 11, 124)
  octal(member.mtimeSec ?? 0, 11, 136)
  block.write(typeFlag, 156, 'latin1')
  block.write((member.linkName ?? '').slice(0, 100), 157, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  octal(member.deviceMajor ?? 0, 7, 329)
  octal(member.deviceMinor ?? 0, 7, 337)
  block.fill(0x20, 148, 156)
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}
