import { LIMITS } from '../../contract/limits.ts'
import type { ResponseSpec } from '../formats/ingest-format.ts'
import {
  type BeginResult,
  type IdempotencyStore,
  type IdempotentRequest,
  type Lock,
  waitForLock,
} from './idempotency.ts'

interface Entry {
  fingerprint: string
  /** undefined while no request holds the lock. */
  lockedAt: number | undefined
  until: number
  response?: ResponseSpec
  /** From a try that did not complete. */
  checkpoint?: ResponseSpec
  bytes: number
}

/** For the map's own bookkeeping, key and fingerprint. */
const ENTRY_BYTES = 512

export type Bounds = Pick<
  { [name in keyof typeof LIMITS]: number },
  'idempotencyEntriesMax' | 'idempotencyBytesMax'
>

/** Locks and responses in this process's memory, bounded in number and bytes: the oldest go first. */
export function createMemoryIdempotency(bounds = LIMITS as Bounds): IdempotencyStore {
  const entries = createEntries(bounds)
  return {
    async begin(request, now): Promise<BeginResult> {
      const name = `${request.tenant}\n${request.trust}\n${request.key}`
      const known = entries.get(name)
      const found = known && known.until > now ? known : undefined
      if (found) {
        if (found.fingerprint !== request.fingerprint) return { kind: 'mismatch' }
        if (found.response !== undefined) return { kind: 'completed', response: found.response }
        if (found.lockedAt !== undefined)
          return { kind: 'in-flight', waitMs: waitForLock(found.lockedAt, found.until, now) }
      }
      // A checkpoint stays valid, even if the try that went on from it was torn down.
      const checkpoint = known?.fingerprint === request.fingerprint ? known.checkpoint : undefined
      return lock(entries, name, request, checkpoint, now)
    },
  }
}

function lock(
  entries: Entries,
  name: string,
  { fingerprint }: IdempotentRequest,
  checkpoint: ResponseSpec | undefined,
  now: number,
): Lock {
  const locked: Entry & { lockedAt: number } = {
    fingerprint,
    lockedAt: now,
    until: now + LIMITS.idempotencyLeaseMs,
    checkpoint,
    bytes: bytesOf(checkpoint),
  }
  // Our lock expired and another request holds it now: theirs counts.
  const isTheirs = () => {
    const holder = entries.get(name)
    return holder !== undefined && holder !== locked
  }
  function store(left: Pick<Entry, 'response' | 'checkpoint'>, at: number) {
    if (isTheirs()) return
    const until = at + LIMITS.idempotencyResultMs
    const bytes = bytesOf(left.response ?? left.checkpoint)
    entries.put(name, { fingerprint, lockedAt: undefined, until, ...left, bytes })
    entries.shrink(at)
  }
  entries.put(name, locked)
  entries.shrink(now)
  return {
    kind: 'acquired',
    checkpoint,
    async complete(response, at) {
      store({ response }, at)
    },
    async saveCheckpoint(progress, at) {
      store({ checkpoint: progress }, at)
    },
    async renew(at) {
      if (isTheirs()) return
      locked.lockedAt = at
      locked.until = at + LIMITS.idempotencyLeaseMs
      entries.put(name, locked)
    },
    async release() {
      if (entries.get(name) !== locked) return
      if (checkpoint) store({ checkpoint }, locked.lockedAt)
      else entries.drop(name)
    },
  }
}

type Entries = ReturnType<typeof createEntries>

function createEntries(bounds: Bounds) {
  // In the order of writing, so the first one is the oldest.
  const entries = new Map<string, Entry>()
  let bytes = 0

  function drop(name: string) {
    const entry = entries.get(name)
    if (entry && entries.delete(name)) bytes -= entry.bytes
  }
  return {
    get: (name: string) => entries.get(name),
    drop,
    put(name: string, entry: Entry) {
      drop(name)
      entries.set(name, entry)
      bytes += entry.bytes
    },
    /** Drops what is over, and the oldest while there is too much. */
    shrink(now: number) {
      for (const [name, entry] of entries) {
        const full =
          entries.size > bounds.idempotencyEntriesMax || bytes > bounds.idempotencyBytesMax
        if (!full && entry.until > now) return
        drop(name)
      }
    },
  }
}

/** Two bytes a character, which is the most a string takes. */
function bytesOf(response: ResponseSpec | undefined): number {
  return ENTRY_BYTES + (response ? 2 * response.body.length : 0)
}
