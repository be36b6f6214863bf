import { join } from './bytes.ts'
import { Refused } from './refuse.ts'
import { createZlibSum } from './zlib-sum.ts'

/** What goes in at once. A byte of deflate holds at most 1,032, so this much can burst to 8 MiB and no further. */
const SLICE_BYTES = 8 * 1024

export interface Inflater<T> {
  write(chunk: Uint8Array): Promise<void>
  end(): Promise<T>
  abort(): void
}

/**
 * Undoes gzip or deflate, at most `bytesMax` of it; `end` gives all that came out.
 * @throws BODY_TOO_LARGE, INVALID_ENCODING
 */
export function createInflater(
  format: CompressionFormat,
  bytesMax: number,
): Inflater<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  const inflater = inflateInto(format, (chunk) => {
    size += chunk.byteLength
    if (size > bytesMax) throw new Refused('BODY_TOO_LARGE')
    chunks.push(chunk)
  })
  return {
    ...inflater,
    async end() {
      await inflater.end()
      return join(chunks, size)
    },
  }
}

/**
 * Undoes gzip or deflate slice by slice: workerd's DecompressionStream expands all it is given before
 * anyone may read, so a whole bomb must never be given to it.
 * @param out gets what comes out, in order, and ends it by throwing a Refused
 * @throws what `out` throws, INVALID_ENCODING
 */
export function inflateInto(
  format: CompressionFormat,
  out: (chunk: Uint8Array) => void,
): Inflater<void> {
  const stream = new DecompressionStream(format)
  const writer = stream.writable.getWriter()
  const reader = stream.readable.getReader()
  const sum = format === 'deflate' ? createZlibSum() : undefined

  // Reads along while we write; how it ends is looked at in `end` and after every slice.
  let failure: Refused | undefined
  const drained = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      sum?.unpacked(value)
      out(value)
    }
  })().catch((error: unknown) => {
    failure = error instanceof Refused ? error : new Refused('INVALID_ENCODING')
    abort()
  })

  /** Waits for a step of the writer's, which never ends when the reader has given up. */
  async function step(work: Promise<void>): Promise<void> {
    await Promise.race([work, drained]).catch(() => {
      failure ??= new Refused('INVALID_ENCODING')
    })
    if (failure) throw failure
  }

  function abort() {
    writer.abort().catch(() => {})
    reader.cancel().catch(() => {})
  }

  return {
    async write(chunk) {
      sum?.packed(chunk)
      for (let from = 0; from < chunk.byteLength; from += SLICE_BYTES)
        await step(writer.write(chunk.slice(from, from + SLICE_BYTES)))
    },
    async end() {
      await step(writer.close())
      await drained
      if (failure) throw failure
      if (sum && !sum.holds()) throw new Refused('INVALID_ENCODING')
    },
    abort,
  }
}
