import { sql } from 'kysely'
import {
  type ChangedBuckets,
  encodeChangedBuckets,
  encodeChangedTenants,
} from './changed-buckets.ts'
import type { Database } from './database.ts'
import { type Listener, listen } from './listen.ts'
import type { Notification } from './notifier.ts'

/**
 * Every NOTIFY channel. A lost notification costs time and never a number, since each listener also polls: all but
 * `changedBuckets`, which must not lose any (core/worker/consume/change-notifier.ts).
 */
export const CHANNELS = {
  /** Records were appended to the Postgres log; the payload is `topic partition,partition`. */
  log: 'sluice_log',
  /** API keys, or limits that hold for them, changed; no payload. */
  keys: 'sluice_keys',
  /** A worker joined, left or released partitions; no payload. */
  workers: 'sluice_workers',
  /** Batches were committed; each payload lists tenant ids, or is empty for any tenant. */
  stored: 'sluice_stored',
  /** 15-minute buckets changed; the payloads are written by changed-buckets.ts. */
  changedBuckets: 'sluice_changed_buckets',
} as const

/** Notifies listeners that API keys, or limits that hold for them, changed. Never fails. */
export async function notifyKeysChanged(db: Database): Promise<void> {
  // The change is committed already: if this could fail, a new key would be reported as not created.
  await sql`SELECT pg_notify(${CHANNELS.keys}, '')`.execute(db).catch(() => {})
}

/** What tells listeners of `stored` and `changedBuckets` about batches that were committed. */
export function storedNotifications(changed: ChangedBuckets): Notification[] {
  return [
    ...encodeChangedTenants(changed).map((payload) => ({ channel: CHANNELS.stored, payload })),
    ...encodeChangedBuckets(changed).map((payload) => {
      return { channel: CHANNELS.changedBuckets, payload }
    }),
  ]
}

/**
 * Listens for every commit of a worker, on a connection of its own that reconnects for ever.
 * @param onStored gets the tenants' ids, or undefined when any tenant may be meant
 */
export function listenForStored(
  url: string,
  onStored: (tenantIds: number[] | undefined) => void,
  onError: (error: unknown) => void,
): Listener {
  return listen({
    url,
    channel: CHANNELS.stored,
    name: 'sluice live',
    onNotification: (payload) => onStored(readTenants(payload)),
    onError,
  })
}

function readTenants(payload: string | undefined): number[] | undefined {
  return payload ? payload.split(',').map(Number) : undefined
}
