import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'

/** Whether a stream brings enough to be worth its connection. */
export interface Pace {
  /**
   * Called with every piece that was read, and without one when none came in time.
   * @throws BODY_TOO_SLOW, STREAM_TOO_LONG
   */
  check(piece?: Uint8Array): void
}

/**
 * A stream brings at least LIMITS.ndjsonBytesPerReadMin bytes of lines in every LIMITS.bodyReadMsMax, and ends
 * within LIMITS.ndjsonStreamMsMax. Newlines and blanks are not lines: with them alone a client could hold a
 * connection for ever, at no cost to its limits.
 */
export function createPace(now: () => number): Pace {
  const start = now()
  let since = start
  let bytes = 0
  return {
    check(piece) {
      const at = now()
      // Counted first: what comes after a pause of the edge's own, while the log was slow, counts for that pause.
      for (let i = 0; piece && i < piece.byteLength && bytes < LIMITS.ndjsonBytesPerReadMin; i++)
        if (!isBlank(piece[i] as number)) bytes++
      if (at - start >= LIMITS.ndjsonStreamMsMax) throw new HttpProblem('STREAM_TOO_LONG')
      if (at - since < LIMITS.bodyReadMsMax) return
      if (bytes < LIMITS.ndjsonBytesPerReadMin)
        throw new HttpProblem('BODY_TOO_SLOW', { detail: TOO_SLOW })
      since = at
      bytes = 0
    },
  }
}

const TOO_SLOW = `A stream brings at least ${LIMITS.ndjsonBytesPerReadMin} bytes of lines every ${LIMITS.bodyReadMsMax / 1000} s; newlines do not count.`

function isBlank(byte: number): boolean {
  return byte === 0x0a || byte === 0x0d || byte === 0x20 || byte === 0x09
}
