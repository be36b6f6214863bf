import { join } from './bytes.ts'
import { Refused } from './refuse.ts'

/** What goes in at once. A byte of deflate holds at most 1,032, so this much can burst to 8 MiB and no further. */
const SLICE_BYTES = 8 * 1024

export interface Inflater {
  write(chunk: Uint8Array): Promise<void>
  /** Everything that came out. */
  end(): Promise<Uint8Array<ArrayBuffer>>
  abort(): void
}

/**
 * Undoes gzip or deflate with a bound on what comes out, checked after every slice: workerd's
 * DecompressionStream expands all it is given before anyone may read, so a whole bomb must never be
 * given to it.
 * @throws BODY_TOO_LARGE, INVALID_ENCODING
 */
export function createInflater(format: CompressionFormat, bytesMax: number): Inflater {
  const stream = new DecompressionStream(format)
  const writer = stream.writable.getWriter()
  const reader = stream.readable.getReader()
  const chunks: Uint8Array[] = []
  let size = 0

  // Reads along while we write; how it ends is looked at in `end` and after every slice.
  let failure: Refused | undefined
  const drained = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      size += value.byteLength
      if (size > bytesMax) throw new Refused('BODY_TOO_LARGE')
      chunks.push(value)
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
      for (let from = 0; from < chunk.byteLength; from += SLICE_BYTES)
        await step(writer.write(chunk.slice(from, from + SLICE_BYTES)))
    },
    async end() {
      await step(writer.close())
      await drained
      if (failure) throw failure
      return join(chunks, size)
    },
    abort,
  }
}
