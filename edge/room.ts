import { Refused } from './refuse.ts'

/** How much may be worked on at once, in bytes of decoded bodies. */
export interface Room {
  /** @returns how to leave; call it once. @throws OVERLOADED when there is no room for so much */
  enter(bytes: number): () => void
}

/**
 * A body costs some ten times its size while it is parsed, judged and published, and an isolate has
 * 128 MB at the most; without a bound, a log that hangs and a hundred full batches would end it.
 * Whoever is alone always gets in.
 */
export function createRoom(bytesMax: number): Room {
  let taken = 0
  return {
    enter(bytes) {
      if (taken > 0 && taken + bytes > bytesMax)
        throw new Refused('OVERLOADED', { headers: { 'retry-after': '1' } })
      taken += bytes
      return () => {
        taken -= bytes
      }
    },
  }
}
