import { LIMITS } from '../../contract/limits.ts'
import type { ResponseSpec } from '../formats/ingest-format.ts'
import { type BeginResult, type IdempotencyStore, waitForLock } from './idempotency.ts'

interface Entry {
  fingerprint: string
  /** undefined while nobody works on it. */
  leasedAt: number | undefined
  until: number
  said?: ResponseSpec
  /** From a try that did not come to its end. */
  kept?: ResponseSpec
  bytes: number
}

/** For the map's own bookkeeping, key and fingerprint. */
const ENTRY_BYTES = 512

/** Leases and answers in this process's memory, bounded in number and bytes: the oldest go first. */
export function createMemoryIdempotency(bounds = LIMITS as Bounds): IdempotencyStore {
  // In the order of writing, so the first one is the oldest.
  const entries = new Map<string, Entry>()
  let bytes = 0

  function put(name: string, entry: Entry) {
    drop(name)
    entries.set(name, entry)
    bytes += entry.bytes
  }
  function drop(name: string) {
    const entry = entries.get(name)
    if (entry && entries.delete(name)) bytes -= entry.bytes
  }
  function shrink(now: number) {
    for (const [name, entry] of entries) {
      const full = entries.size > bounds.idempotencyEntriesMax || bytes > bounds.idempotencyBytesMax
      if (!full && entry.until > now) return
      drop(name)
    }
  }

  return {
    async begin({ tenant, key, fingerprint }, now): Promise<BeginResult> {
      const name = `${tenant}\n${key}`
      const known = entries.get(name)
      const found = known && known.until > now ? known : undefined
      if (found) {
        if (found.fingerprint !== fingerprint) return { kind: 'mismatch' }
        if (found.said !== undefined) return { kind: 'completed', said: found.said }
        if (found.leasedAt !== undefined)
          return { kind: 'in-flight', waitMs: waitForLock(found.leasedAt, found.until, now) }
      }
      // What was done is done, even if whoever went on with it died on the way.
      const kept = known?.fingerprint === fingerprint ? known.kept : undefined
      const lease: Entry & { leasedAt: number } = {
        fingerprint,
        leasedAt: now,
        until: now + LIMITS.idempotencyLeaseMs,
        kept,
        bytes: bytesOf(kept),
      }
      // Our lease ran out and someone else holds it now: theirs is what counts.
      const isTheirs = () => {
        const holder = entries.get(name)
        return holder !== undefined && holder !== lease
      }
      function leave(left: Pick<Entry, 'said' | 'kept'>, at: number) {
        if (isTheirs()) return
        const until = at + LIMITS.idempotencyResultMs
        const bytes = bytesOf(left.said ?? left.kept)
        put(name, { fingerprint, leasedAt: undefined, until, ...left, bytes })
        shrink(at)
      }
      put(name, lease)
      shrink(now)
      return {
        kind: 'acquired',
        checkpoint: kept,
        async complete(said, finishedAt) {
          leave({ said }, finishedAt)
        },
        async saveCheckpoint(progress, keptAt) {
          leave({ kept: progress }, keptAt)
        },
        async renew(at) {
          if (isTheirs()) return
          lease.leasedAt = at
          lease.until = at + LIMITS.idempotencyLeaseMs
          put(name, lease)
        },
        async release() {
          if (entries.get(name) !== lease) return
          if (kept) leave({ kept }, lease.leasedAt)
          else drop(name)
        },
      }
    },
  }
}

export type Bounds = Pick<
  { [name in keyof typeof LIMITS]: number },
  'idempotencyEntriesMax' | 'idempotencyBytesMax'
>

/** Two bytes a character, which is the most a string takes. */
function bytesOf(said: ResponseSpec | undefined): number {
  return ENTRY_BYTES + (said ? 2 * said.body.length : 0)
}
