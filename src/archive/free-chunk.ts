/** Memory of consumed stream chunks, given back at once instead of at the next garbage collection. */

/**
 * Detaches the buffer of a chunk that nobody reads any more, earlier chunks of the same buffer included. Bun collects
 * only after tens of megabytes of chunks: without this a pull peaks 16 MB higher. Buffers that are not exclusively the
 * chunk's end (slices of the runtime's pool, views into the middle) are left to the collector.
 */
export function freeChunk(chunk: Uint8Array): void {
  const { buffer } = chunk
  const endsBuffer = chunk.byteOffset + chunk.length === buffer.byteLength
  if (endsBuffer && buffer.byteLength > Buffer.poolSize && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
