import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { inflateInto } from '../../http/inflate.ts'
import { readEncoding } from '../../http/read-body.ts'

/** A request's body as it comes in, decoded. Holds no more than what one read of the body gave. */
export interface Source {
  /**
   * The next bytes, at most PIECE_BYTES; undefined at the end; 'later' when none came within `ms`: ask
   * again. Once it has thrown, it is over.
   * @throws BODY_TOO_SLOW, BODY_INCOMPLETE, BODY_TOO_LARGE, INVALID_ENCODING
   */
  read(ms: number): Promise<Uint8Array | 'later' | undefined>
  close(): void
}

const PIECE_BYTES = 64 * 1024
/** A byte of deflate holds at most 1,032, so no more than 1 MiB bursts out of a slice. */
const SLICE_BYTES = 1024

/**
 * @param bytesMax of the body, decoded; and no longer than that encoded, since gzip can go on for ever
 * without a byte coming out
 * @throws ENCODING_UNSUPPORTED, BODY_TOO_LARGE
 */
export function openSource(request: Request, bytesMax: number, now: () => number): Source {
  const encoding = readEncoding(request.headers.get('content-encoding'))
  const declared = request.headers.get('content-length')
  if (declared !== null && Number(declared) > bytesMax) throw tooLarge(bytesMax)
  const reader = request.body?.getReader()
  const ready: Uint8Array[] = []
  let encoded: Uint8Array = new Uint8Array()
  const inflater = encoding && inflateInto(encoding, take)
  const size = { received: 0, decoded: 0 }
  let ended = reader === undefined
  let arriving: Promise<Uint8Array | undefined> | undefined
  let since = 0
  let failure: { error: unknown } | undefined

  function take(chunk: Uint8Array): void {
    size.decoded += chunk.byteLength
    if (size.decoded > bytesMax) throw tooLarge(bytesMax)
    if (encoding && size.decoded > bombFrom(size.received))
      throw new HttpProblem('BODY_TOO_LARGE', {
        detail: `The body unfolds to more than ${LIMITS.inflateRatioMax} times its size.`,
      })
    for (let from = 0; from < chunk.byteLength; from += PIECE_BYTES)
      ready.push(chunk.subarray(from, from + PIECE_BYTES))
  }

  /** The client's own time counts, not the one in which nobody asked it for more. */
  async function arrive(ms: number): Promise<Uint8Array | 'later' | undefined> {
    if (!arriving) {
      since = now()
      arriving = receive()
      arriving.catch(() => {})
    }
    const left = Math.max(0, since + LIMITS.bodyReadMsMax - now())
    const got = await orLater(arriving, Math.min(left, ms))
    if (got === 'later') {
      if (left <= ms) throw new HttpProblem('BODY_TOO_SLOW')
      return 'later'
    }
    arriving = undefined
    return got
  }

  async function receive(): Promise<Uint8Array | undefined> {
    try {
      return (await reader?.read())?.value
    } catch {
      // The client's affair, or its network's.
      throw new HttpProblem('BODY_INCOMPLETE')
    }
  }

  /** Makes the next pieces ready, if there are any. */
  async function advance(ms: number): Promise<'later' | undefined> {
    if (inflater && encoded.byteLength > 0) {
      const slice = encoded.subarray(0, SLICE_BYTES)
      encoded = encoded.subarray(SLICE_BYTES)
      size.received += slice.byteLength
      await inflater.write(slice)
      return undefined
    }
    const got = await arrive(ms)
    if (got === 'later') return got
    if (got === undefined) {
      ended = true
      await inflater?.end()
    } else if (!inflater) take(got)
    else if (size.received + got.byteLength > bytesMax) throw tooLarge(bytesMax)
    else encoded = got
    return undefined
  }

  return {
    async read(ms) {
      for (;;) {
        const piece = ready.shift()
        if (piece) return piece
        if (failure) throw failure.error
        if (ended) return undefined
        try {
          if ((await advance(ms)) === 'later') return 'later'
        } catch (error) {
          // What came out before is good.
          failure = { error }
        }
      }
    },
    close() {
      inflater?.abort()
      // Not awaited: a client that stalls would stall the answer as well.
      reader?.cancel().catch(() => {})
    },
  }
}

function bombFrom(received: number): number {
  return Math.max(LIMITS.bodyBytesMax, received * LIMITS.inflateRatioMax)
}

function tooLarge(bytesMax: number): HttpProblem {
  return new HttpProblem('BODY_TOO_LARGE', {
    detail: `The stream is longer than ${bytesMax.toLocaleString('en')} bytes.`,
  })
}

async function orLater<T>(work: Promise<T>, ms: number): Promise<T | 'later'> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const alarm = new Promise<'later'>((resolve) => {
    timer = setTimeout(() => resolve('later'), ms)
  })
  try {
    return await Promise.race([work, alarm])
  } finally {
    clearTimeout(timer)
  }
}
