/** Netlink messages: attributes, requests and answers (man 7 netlink). Little-endian hosts only: x86-64 and arm64. */
import { native } from '../host/native/native.ts'

export const Protocol = { route: 0, netfilter: 12 } as const

export const Flag = { request: 1, ack: 4, dump: 0x300, replace: 0x100, exclusive: 0x200, create: 0x400 } as const

const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const ATTRIBUTE_TYPE_MASK = 0x3fff
const NESTED = 0x8000

export interface Answer {
  type: number
  payload: Buffer
}

/** The kernel's refusal of one message; `code` is the errno's name where we tell it apart, else 'ENETLINK'. */
export class NetlinkError extends Error {
  readonly code: string
  readonly errno: number

  constructor(errno: number, detail: string) {
    const code = ERROR_NAMES[errno] ?? 'ENETLINK'
    super(`${code === 'ENETLINK' ? `errno ${errno}` : code}${detail === '' ? '' : `: ${detail}`}`)
    this.name = 'NetlinkError'
    this.code = code
    this.errno = errno
  }
}

const ERROR_NAMES: Readonly<Record<number, string>> = {
  1: 'EPERM', 2: 'ENOENT', 3: 'ESRCH', 12: 'ENOMEM', 13: 'EACCES', 16: 'EBUSY', 17: 'EEXIST', 19: 'ENODEV', 22: 'EINVAL',
  34: 'ERANGE', 95: 'EOPNOTSUPP', 99: 'EADDRNOTAVAIL', 100: 'ENETDOWN', 101: 'ENETUNREACH', 105: 'ENOBUFS', 113: 'EHOSTUNREACH',
}

/** One attribute; a string is written with its NUL, a number as 32 bits, an array as nested attributes. */
export function attribute(type: number, value: Uint8Array | string | number | readonly Buffer[]): Buffer {
  const nested = Array.isArray(value)
  const body = encode(value)
  const buffer = Buffer.alloc(align(4 + body.length))
  buffer.writeUInt16LE(4 + body.length, 0)
  buffer.writeUInt16LE(nested ? type | NESTED : type, 2)
  buffer.set(body, 4)
  return buffer
}

function encode(value: Uint8Array | string | number | readonly Buffer[]): Uint8Array {
  if (typeof value === 'string') return Buffer.from(`${value}\0`)
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32LE(value)
    return bytes
  }
  return value instanceof Uint8Array ? value : Buffer.concat(value)
}

/** One message: header, fixed part, attributes. */
export function message(type: number, flags: number, fixed: Uint8Array, attributes: readonly Buffer[] = []): Buffer {
  const body = Buffer.concat([fixed, ...attributes])
  const header = Buffer.alloc(16)
  header.writeUInt32LE(16 + body.length, 0)
  header.writeUInt16LE(type, 4)
  header.writeUInt16LE(flags | Flag.request, 6)
  return Buffer.concat([header, body, Buffer.alloc(align(body.length) - body.length)])
}

/** Sends the messages in order and returns all answers. Throws the first refusal as NetlinkError (later messages were tried too). */
export function netlinkRequest(protocol: number, messages: readonly Buffer[], netnsFd = -1): Answer[] {
  const reply = native.netlinkRequest(protocol, Buffer.concat(messages), netnsFd)
  const answers: Answer[] = []
  for (let offset = 0; offset + 16 <= reply.length; ) {
    const length = reply.readUInt32LE(offset)
    if (length < 16 || offset + length > reply.length) break
    const type = reply.readUInt16LE(offset + 4)
    const payload = reply.subarray(offset + 16, offset + length)
    if (type === NLMSG_ERROR) {
      const errno = -payload.readInt32LE(0)
      if (errno !== 0) throw new NetlinkError(errno, extendedText(payload))
    } else if (type !== NLMSG_DONE) {
      answers.push({ type, payload })
    }
    offset += align(length)
  }
  return answers
}

/** Attributes by type; of several with one type the last stands. */
export function parseAttributes(data: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  for (let offset = 0; offset + 4 <= data.length; ) {
    const length = data.readUInt16LE(offset)
    if (length < 4 || offset + length > data.length) break
    attributes.set(data.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK, data.subarray(offset + 4, offset + length))
    offset += align(length)
  }
  return attributes
}

/** The kernel's own words (NLMSGERR_ATTR_MSG). With NETLINK_CAP_ACK they follow the error number and the header echoed. */
function extendedText(payload: Buffer): string {
  const text = parseAttributes(payload.subarray(20)).get(1)
  return text === undefined ? '' : text.toString('utf8').replace(/\0+$/, '')
}

function align(length: number): number {
  return (length + 3) & ~3
}
