import { LIMITS } from '../contract/limits.ts'
import type { Claim, Idempotency } from './claim.ts'
import type { Said } from './way.ts'

interface Entry {
  fingerprint: string
  leasedAt: number
  until: number
  said?: Said
  bytes: number
}

/** For the map's own bookkeeping, key and fingerprint. */
const ENTRY_BYTES = 512

/** Leases and answers in this process's memory, bounded in number and bytes: the oldest go first. */
export function createMemoryIdempotency(bounds = LIMITS as Bounds): Idempotency {
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
    async claim({ tenant, key, fingerprint }, now): Promise<Claim> {
      const name = `${tenant}\n${key}`
      const found = entries.get(name)
      if (found && found.until > now) {
        if (found.fingerprint !== fingerprint) return { is: 'other-body' }
        if (found.said !== undefined) return { is: 'done', said: found.said }
        return { is: 'in-flight', waitMs: waitFor(found, now) }
      }
      const lease: Entry = {
        fingerprint,
        leasedAt: now,
        until: now + LIMITS.idempotencyLeaseMs,
        bytes: ENTRY_BYTES,
      }
      put(name, lease)
      shrink(now)
      return {
        is: 'ours',
        async finish(said, finishedAt) {
          // Our lease ran out and someone else holds it now: theirs is the answer to keep.
          const holder = entries.get(name)
          if (holder !== undefined && holder !== lease) return
          const until = finishedAt + LIMITS.idempotencyResultMs
          // Two bytes a character, which is the most a string takes.
          put(name, { ...lease, until, said, bytes: ENTRY_BYTES + 2 * said.body.length })
          shrink(finishedAt)
        },
        async release() {
          if (entries.get(name) === lease) drop(name)
        },
      }
    },
  }
}

export type Bounds = Pick<
  { [name in keyof typeof LIMITS]: number },
  'idempotencyEntriesMax' | 'idempotencyBytesMax'
>

/** The publisher gives up first; only a request that died without a word holds on to the end of its lease. */
function waitFor(lease: Entry, now: number): number {
  const published = lease.leasedAt + LIMITS.publishMsMax - now
  return published > 0 ? published : lease.until - now
}
