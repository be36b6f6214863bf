import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { TOPICS } from '../contract/log/topics.ts'
import type { Database } from '../core/db/database.ts'

/** What was handed over to the log, told by its answers. */
export interface Receipts {
  /** Chosen by us, one a batch, kept across its retries: every row remembers the one it came with. */
  requestIds: string[]
  /** The highest offset of ours, by partition. */
  lastOffsets: Map<number, number>
  since: Date
}

export interface Outcomes {
  stored: number
  dead: number
}

const WAIT_MS_MAX = 30_000

/** What became of accepted events, once the worker has been past them; undefined when it does not get there in time. */
export async function waitForOutcomes(
  db: Database,
  { requestIds, lastOffsets, since }: Receipts,
): Promise<Outcomes | undefined> {
  const deadline = Date.now() + WAIT_MS_MAX
  while (!(await isPast(db, lastOffsets))) {
    if (Date.now() > deadline) return undefined
    await sleep(50)
  }
  // Stamped at the edge, whose clock may differ from ours.
  const from = new Date(since.getTime() - 60_000).toISOString()
  const { rows } = await sql<Outcomes>`
    SELECT (SELECT count(*) FROM event
             WHERE received_on >= (${from}::timestamptz)::date AND received_at >= ${from}
               AND request_id = ANY (${requestIds})) AS stored,
           (SELECT count(*) FROM dead_letter
             WHERE received_at >= ${from} AND request_id = ANY (${requestIds})) AS dead`.execute(db)
  return rows[0]
}

async function isPast(db: Database, offsets: ReadonlyMap<number, number>): Promise<boolean> {
  const rows = await db
    .selectFrom('log_position')
    .select(['partition', 'next_offset'])
    .where('topic', '=', TOPICS.raw.name)
    .execute()
  return rows.every(({ partition, next_offset }) => next_offset > (offsets.get(partition) ?? -1))
}
