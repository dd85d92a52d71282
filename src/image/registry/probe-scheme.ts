/** Finds out cheaply that an insecure registry nearby speaks plain HTTP. */
import { isPrivateHost } from './challenge.ts'

/** Longer than a neighbour takes. */
const patienceMs = 300
/** The head of a TLS record without its content, ended as an HTTP request is: either side answers at once. */
const question = Buffer.from('\u0016\u0003\u0001\u0000\u0002\u0001\u0000\r\n\r\n', 'latin1')

/**
 * True if who listens there answers garbage in HTTP. A failed TLS handshake says the same, but takes the whole of TLS to
 * be loaded and tried: a fifth of what looking at an image takes. Only asked of this machine and its network, where a
 * connection costs nothing, and with a port, as the two schemes have others without. Throws nothing.
 */
export async function speaksPlainHttp(host: string): Promise<boolean> {
  const { hostname, port } = new URL(`http://${host}`)
  if (port === '' || !isPrivateHost(hostname)) return false
  const { connect } = await import('node:net')
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
    const end = (isPlain: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(isPlain)
    }
    const timer = setTimeout(end, patienceMs, false)
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
    socket.on('connect', () => socket.write(question))
    socket.once('data', (data: Buffer) => end(data.subarray(0, 5).toString('latin1') === 'HTTP/'))
  })
}
