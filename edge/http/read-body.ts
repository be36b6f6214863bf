import { LIMITS } from '../../contract/limits.ts'
import { type Bytes, createByteBuffer } from '../lib/bytes.ts'
import { withTimeout } from '../lib/timeout.ts'
import type { BodyCount } from './body-count.ts'
import { HttpProblem } from './http-problem.ts'
import { type Compression, createInflater } from './inflate.ts'

/**
 * The body, decoded, at most LIMITS.bodyBytesMax of it, within LIMITS.bodyReadMsMax.
 * @throws BODY_TOO_LARGE, BODY_TOO_SLOW, BODY_INCOMPLETE, ENCODING_UNSUPPORTED, INVALID_ENCODING, and what `count` throws
 */
export async function readBody(request: Request, count: BodyCount): Promise<Bytes> {
  const { headers } = request
  const encoding = readEncoding(headers.get('content-encoding'))
  const declared = headers.get('content-length')
  // Nothing that decodes to 1 MiB is itself longer than that.
  if (declared !== null && Number(declared) > LIMITS.bodyBytesMax)
    throw new HttpProblem('BODY_TOO_LARGE')
  // With a declared length the server gives no more than that, so there is nothing to count on the way.
  // (And `request.body` is not read: the getter alone creates a stream.)
  if (declared !== null && !encoding && Number(declared) <= count.wholeBytesMax) {
    count.whole(Number(declared))
    return readWhole(request)
  }
  return request.body ? readCounting(request.body, encoding, count) : new Uint8Array()
}

async function readWhole(request: Request): Promise<Bytes> {
  const buffer = await withTimeout(request.arrayBuffer(), LIMITS.bodyReadMsMax, tooSlow).catch(
    asProblem,
  )
  if (buffer.byteLength > LIMITS.bodyBytesMax) throw new HttpProblem('BODY_TOO_LARGE')
  return new Uint8Array(buffer)
}

async function readCounting(
  body: ReadableStream<Uint8Array>,
  encoding: Compression | undefined,
  count: BodyCount,
): Promise<Bytes> {
  const reader = openReader(body)
  const inflater = encoding && createInflater(encoding, LIMITS.bodyBytesMax, count.arrived)
  const received = createByteBuffer()
  let size = 0
  const start = performance.now()
  const read = async () => {
    for (;;) {
      const { done, value } = await reader.read().catch(asProblem)
      if (done || !value) return inflater ? inflater.end() : received.bytes()
      // A million tiny chunks may be read one after the other without a timer ever running.
      if (performance.now() - start > LIMITS.bodyReadMsMax) throw tooSlow()
      size += value.byteLength
      if (size > LIMITS.bodyBytesMax) throw new HttpProblem('BODY_TOO_LARGE')
      if (inflater) await inflater.write(value)
      else {
        count.arrived(value.byteLength)
        received.add(value)
      }
    }
  }
  try {
    return await withTimeout(read(), LIMITS.bodyReadMsMax, tooSlow)
  } catch (error) {
    inflater?.abort()
    // Not awaited: a client that stalls would stall the response as well.
    reader.cancel().catch(() => {})
    throw error
  }
}

/** Larger reads where the runtime can: a body in chunks of one byte is then read in a few pieces. */
const READ_BYTES = 16 * 1024

interface BodyReader {
  read(): Promise<{ done: boolean; value?: Uint8Array }>
  cancel(): Promise<void>
}

/** workerd's reader can wait until a buffer is full; elsewhere every chunk is read by itself. */
function openReader(body: ReadableStream<Uint8Array>): BodyReader {
  let byob: (ReadableStreamBYOBReader & Partial<WorkerdReader>) | undefined
  try {
    byob = body.getReader({ mode: 'byob' })
  } catch {
    return body.getReader()
  }
  const readAtLeast = byob.readAtLeast?.bind(byob)
  if (!readAtLeast) {
    byob.releaseLock()
    return body.getReader()
  }
  return {
    async read() {
      const { value } = await readAtLeast(READ_BYTES, new Uint8Array(READ_BYTES))
      return { done: value === undefined || value.byteLength === 0, value }
    },
    cancel: () => byob.cancel(),
  }
}

interface WorkerdReader {
  readAtLeast(bytesMin: number, buffer: Uint8Array): Promise<{ done: boolean; value?: Uint8Array }>
}

/**
 * In lower case, without parameters; '' when there is none.
 * @throws MEDIA_TYPE_UNSUPPORTED for any other charset than UTF-8
 */
export function mediaTypeOf(headers: Headers): string {
  const header = headers.get('content-type')
  if (header === null || header === 'application/json') return header ?? ''
  const [type = '', ...parameters] = header.split(';').map((part) => part.trim().toLowerCase())
  const charset = parameters.find((part) => part.startsWith('charset='))?.slice(8)
  if (charset === undefined || /^"?utf-?8"?$/.test(charset)) return type
  throw new HttpProblem('MEDIA_TYPE_UNSUPPORTED', {
    detail: 'Send JSON as UTF-8; no other charset is read.',
    headers: { 'accept-post': 'application/json' },
  })
}

/**
 * Only what every runtime can decompress: brotli is missing in workerd, zstd everywhere.
 * @throws ENCODING_UNSUPPORTED
 */
export function readEncoding(header: string | null): Compression | undefined {
  if (header === null) return undefined
  const encoding = header.trim().toLowerCase()
  if (encoding === '' || encoding === 'identity') return undefined
  if (encoding === 'gzip' || encoding === 'x-gzip') return 'gzip'
  if (encoding === 'deflate') return 'deflate'
  throw new HttpProblem('ENCODING_UNSUPPORTED', { headers: { 'accept-encoding': 'gzip, deflate' } })
}

function tooSlow(): Error {
  return new HttpProblem('BODY_TOO_SLOW')
}

/** A body that breaks off is an error of the client or its network, not of the edge. */
function asProblem(error: unknown): never {
  throw error instanceof HttpProblem ? error : new HttpProblem('BODY_INCOMPLETE')
}
