import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Database } from '../core/db/database.ts'
import { UsageError } from '../core/lib/usage-error.ts'

/** Three counts that are independent of each other: rows of events, use of the key, rows of dead letters. */
export interface SeedCounts {
  stored: number
  duplicates: number
  dead: number
  deadByReason: Record<string, number>
}

/** How the database knows the events of one run. */
export interface SentWith {
  /** A key that nothing else used. */
  keyId: string
  requestIds: string[]
  since: Date
}

const IDLE_MS_MAX = 60_000
const POLL_MS = 200
const IDS_A_QUERY = 20_000

/** Waits until the worker has the outcome of `sent` events. @throws UsageError when it makes no progress for a minute */
export async function waitForCounts(
  db: Database,
  sentWith: SentWith,
  sent: number,
): Promise<SeedCounts> {
  let most = -1
  let deadline = Date.now() + IDLE_MS_MAX
  while (true) {
    const counts = await readCounts(db, sentWith)
    const known = counts.stored + counts.duplicates + counts.dead
    if (known >= sent) return counts
    if (known > most) {
      most = known
      deadline = Date.now() + IDLE_MS_MAX
    }
    if (Date.now() > deadline)
      throw new UsageError(
        `The worker has the outcome of ${known} of ${sent} events and makes no progress.`,
        '"npm run sluice -- lag" shows how far it has read.',
      )
    await sleep(POLL_MS)
  }
}

async function readCounts(
  db: Database,
  { keyId, requestIds, since }: SentWith,
): Promise<SeedCounts> {
  // received_at is the edge's time, and its clock may differ from this machine's.
  const from = new Date(since.getTime() - 60_000).toISOString()
  // In one snapshot: a batch that commits in between must not be in one of the counts only.
  const { rows } = await sql<{ received: number; stored: number; dead: Record<string, number> }>`
    SELECT (SELECT coalesce(sum(events), 0)::bigint FROM key_use_hour WHERE key_id = ${keyId}) AS received,
           (SELECT count(*) FROM event
             WHERE received_on >= (${from}::timestamptz)::date AND received_at >= ${from}
               AND key_id = ${keyId}) AS stored,
           (SELECT coalesce(jsonb_object_agg(reason, n), '{}') FROM (
              SELECT reason, count(*) AS n FROM dead_letter
               WHERE received_at >= ${from} AND request_id = ANY (${requestIds})
               GROUP BY reason) d) AS dead`.execute(db)
  const { received = 0, stored = 0, dead: deadByReason = {} } = rows[0] ?? {}
  const dead = Object.values(deadByReason).reduce((sum, count) => sum + count, 0)
  return { stored, duplicates: received - stored, dead, deadByReason }
}

/** How many rows the tenant has with these ids, UUIDs: more than there are ids if one was counted twice. */
export async function countStoredIds(
  db: Database,
  tenant: string,
  ids: readonly string[],
): Promise<number> {
  let count = 0
  for (let at = 0; at < ids.length; at += IDS_A_QUERY) {
    const { rows } = await sql<{ count: number }>`
      SELECT count(*) AS count FROM event
       WHERE tenant_id = (SELECT tenant_id FROM tenant WHERE slug = ${tenant})
         AND event_id = ANY (${ids.slice(at, at + IDS_A_QUERY)}::uuid[])`.execute(db)
    count += Number(rows[0]?.count ?? 0)
  }
  return count
}
