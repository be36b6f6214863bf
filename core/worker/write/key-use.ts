import type { EventRow } from '../decode/decoded.ts'

const HOUR_MS = 3_600_000

/** How many events came in with a key, in an hour by the clock. */
export interface KeyUse {
  keyId: string
  hourMs: number
  events: number
}

/** A duplicate counts too: it was sent with its key. */
export function countKeyUse(...lists: readonly (readonly EventRow[])[]): KeyUse[] {
  const uses = new Map<string, KeyUse>()
  // Most batches hold one key and one hour, so the row before nearly always has the same ones.
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
    const key = `${keyId} ${hourMs}`
    const use = uses.get(key) ?? { keyId, hourMs, events: 0 }
    uses.set(key, use)
    return use
  }
}
