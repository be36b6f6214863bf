import type { EventRow } from '../decode/decode.ts'

const HOUR_MS = 3_600_000

/** How many events came in with a key, in an hour by the clock. */
export interface KeyUse {
  keyId: string
  hourMs: number
  events: number
}

/** A repeated event was sent with its key all the same. */
export function countKeyUse(...lists: readonly (readonly EventRow[])[]): KeyUse[] {
  const uses = new Map<string, KeyUse>()
  // Most batches hold one key and one hour, so the row before is nearly always the same.
  let last: KeyUse | undefined
  for (const rows of lists)
    for (const { keyId, received } of rows) {
      if (keyId === null) continue
      const hourMs = received.ms - (received.ms % HOUR_MS)
      if (last?.keyId !== keyId || last.hourMs !== hourMs) last = find(keyId, hourMs)
      last.events++
    }
  return [...uses.values()]

  function find(keyId: string, hourMs: number): KeyUse {
    const at = `${keyId} ${hourMs}`
    const use = uses.get(at) ?? { keyId, hourMs, events: 0 }
    uses.set(at, use)
    return use
  }
}
