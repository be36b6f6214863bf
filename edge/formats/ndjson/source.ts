import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { inflateInto } from '../../http/inflate.ts'
import { readEncoding } from '../../http/read-body.ts'
import { orAfter } from '../../lib/timeout.ts'

/** A request's body as it comes in, decoded. Holds no more than what one read of the body gave. */
export interface Source {
  /**
   * The next bytes, at most PIECE_BYTES; undefined at the end; 'later' when none came within `ms`: read
   * again. Once it has thrown, it has ended.
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
  const pieces = createPieces(bytesMax, encoding !== undefined)
  const inflater = encoding && inflateInto(encoding, pieces.add)
  const read = reader && readWithDeadline(reader, now)
  let encoded: Uint8Array = new Uint8Array()
  let ended = reader === undefined
  let failure: { error: unknown } | undefined

  /** Makes the next pieces ready, if there are any. */
  async function advance(ms: number): Promise<'later' | undefined> {
    if (inflater && encoded.byteLength > 0) {
      const slice = encoded.subarray(0, SLICE_BYTES)
      encoded = encoded.subarray(SLICE_BYTES)
      pieces.received += slice.byteLength
      await inflater.write(slice)
      return undefined
    }
    const chunk = await read?.(ms)
    if (chunk === 'later') return chunk
    if (chunk === undefined) {
      ended = true
      await inflater?.end()
    } else if (!inflater) pieces.add(chunk)
    else if (pieces.received + chunk.byteLength > bytesMax) throw tooLarge(bytesMax)
    else encoded = chunk
    return undefined
  }

  return {
    async read(ms) {
      for (;;) {
        const piece = pieces.ready.shift()
        if (piece) return piece
        if (failure) throw failure.error
        if (ended) return undefined
        try {
          if ((await advance(ms)) === 'later') return 'later'
        } catch (error) {
          // What came out before is valid.
          failure = { error }
        }
      }
    },
    close() {
      inflater?.abort()
      // Not awaited: a client that stalls would stall the response as well.
      reader?.cancel().catch(() => {})
    },
  }
}

/** Cuts what is decoded into pieces, and counts it. */
function createPieces(bytesMax: number, isEncoded: boolean) {
  let decoded = 0
  const pieces = {
    ready: [] as Uint8Array[],
    /** Encoded bytes so far. */
    received: 0,
    add(chunk: Uint8Array): void {
      decoded += chunk.byteLength
      if (decoded > bytesMax) throw tooLarge(bytesMax)
      if (isEncoded && decoded > bombFrom(pieces.received))
        throw new HttpProblem('BODY_TOO_LARGE', {
          detail: `The body decompresses to more than ${LIMITS.inflateRatioMax} times its size.`,
        })
      for (let from = 0; from < chunk.byteLength; from += PIECE_BYTES)
        pieces.ready.push(chunk.subarray(from, from + PIECE_BYTES))
    },
  }
  return pieces
}

/** Only the time that the client takes counts, not the time in which the edge read nothing. */
function readWithDeadline(reader: ReadableStreamDefaultReader<Uint8Array>, now: () => number) {
  let pending: Promise<Uint8Array | undefined> | undefined
  let since = 0

  async function receive(): Promise<Uint8Array | undefined> {
    try {
      return (await reader.read()).value
    } catch {
      // The client, or its network, closed the connection.
      throw new HttpProblem('BODY_INCOMPLETE')
    }
  }

  return async (ms: number): Promise<Uint8Array | 'later' | undefined> => {
    if (!pending) {
      since = now()
      pending = receive()
      pending.catch(() => {})
    }
    const left = Math.max(0, since + LIMITS.bodyReadMsMax - now())
    const chunk = await orAfter(pending, Math.min(left, ms), () => 'later' as const)
    if (chunk === 'later') {
      if (left <= ms) throw new HttpProblem('BODY_TOO_SLOW')
      return 'later'
    }
    pending = undefined
    return chunk
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
