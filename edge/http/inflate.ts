import { createByteBuffer } from '../lib/bytes.ts'
import { orAfter } from '../lib/timeout.ts'
import { HttpProblem } from './http-problem.ts'
import { createZlibChecksum } from './zlib-checksum.ts'

/** Written at once. A byte of deflate holds at most 1,032, so this much can burst to 8 MiB and no further. */
const SLICE_BYTES = 8 * 1024

/** What every runtime can decompress, by DecompressionStream's names. */
export type Compression = 'gzip' | 'deflate'

export interface Inflater<T> {
  write(chunk: Uint8Array): Promise<void>
  end(): Promise<T>
  abort(): void
}

/**
 * Decompresses gzip or deflate, at most `bytesMax`; `end` gives the whole output.
 * @param onOutput gets the length of every piece before it is kept, and ends the work by throwing an HttpProblem
 * @throws BODY_TOO_LARGE, INVALID_ENCODING, what `onOutput` throws
 */
export function createInflater(
  format: Compression,
  bytesMax: number,
  onOutput: (bytes: number) => void = () => {},
): Inflater<Uint8Array<ArrayBuffer>> {
  const output = createByteBuffer()
  let size = 0
  const inflater = inflateInto(format, (chunk) => {
    size += chunk.byteLength
    if (size > bytesMax) throw new HttpProblem('BODY_TOO_LARGE')
    onOutput(chunk.byteLength)
    output.add(chunk)
  })
  return {
    ...inflater,
    async end() {
      await inflater.end()
      return output.bytes()
    },
  }
}

/**
 * Decompresses gzip or deflate slice by slice: workerd's DecompressionStream expands all its input before
 * anything can be read, so a whole bomb must never be written to it.
 * @param out gets the output, in order, and ends it by throwing an HttpProblem
 * @throws what `out` throws, INVALID_ENCODING
 */
export function inflateInto(format: Compression, out: (chunk: Uint8Array) => void): Inflater<void> {
  const stream = new DecompressionStream(format)
  const writer = stream.writable.getWriter()
  const reader = openReader(stream.readable)
  const sum = format === 'deflate' ? createZlibChecksum() : undefined

  // Reads while slices are written; a failure is checked in `end` and after every slice.
  let failure: HttpProblem | undefined
  let onRead: (() => void) | undefined
  /** The last read filled its buffer: there may be more of the same slice. */
  let hasMore = false
  const readAll = (async () => {
    for (;;) {
      const { done, value } = await reader.read()
      if (done || !value) return
      hasMore = reader.isFull(value)
      sum?.decompressed(value)
      out(value)
      onRead?.()
    }
  })().catch((error: unknown) => {
    failure = error instanceof HttpProblem ? error : new HttpProblem('INVALID_ENCODING')
    abort()
  })

  /** Waits until a slice's output has been read: workerd accepts the next slice even before that. */
  async function drainReader(): Promise<void> {
    while (hasMore && !failure) {
      const next = new Promise<void>((resolve) => {
        onRead = resolve
      })
      await orAfter(Promise.race([next, readAll]), LAST_READ_MS, () => {
        hasMore = false
      })
    }
    if (failure) throw failure
  }

  /** Waits for the writer, which never ends when the reader has failed. */
  async function step(work: Promise<void>): Promise<void> {
    await Promise.race([work, readAll]).catch(() => {
      failure ??= new HttpProblem('INVALID_ENCODING')
    })
    if (failure) throw failure
  }

  function abort() {
    writer.abort().catch(() => {})
    reader.cancel().catch(() => {})
  }

  return {
    async write(chunk) {
      sum?.compressed(chunk)
      for (let from = 0; from < chunk.byteLength; from += SLICE_BYTES) {
        await step(writer.write(chunk.slice(from, from + SLICE_BYTES)))
        await drainReader()
      }
    },
    async end() {
      await step(writer.close())
      await readAll
      if (failure) throw failure
      if (sum && !sum.matches()) throw new HttpProblem('INVALID_ENCODING')
    },
    abort,
  }
}

const READ_BYTES = 64 * 1024
/** When nothing follows a full read within this, the slice is read: more would be there at once. */
const LAST_READ_MS = 1

interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array }>
  cancel(): Promise<void>
  isFull(chunk: Uint8Array): boolean
}

/** workerd gives 4 KiB a read unless it gets a larger buffer; the others apply backpressure themselves. */
function openReader(readable: ReadableStream<Uint8Array>): Reader {
  let byob: ReadableStreamBYOBReader
  try {
    byob = readable.getReader({ mode: 'byob' })
  } catch {
    const reader = readable.getReader()
    return { read: () => reader.read(), cancel: () => reader.cancel(), isFull: () => false }
  }
  let buffer = new ArrayBuffer(READ_BYTES)
  return {
    async read() {
      const { done, value } = await byob.read(new Uint8Array(buffer))
      if (!value) return { done: true }
      buffer = value.buffer
      return { done, value: value.slice() }
    },
    cancel: () => byob.cancel(),
    isFull: ({ byteLength }) => byteLength === READ_BYTES,
  }
}
