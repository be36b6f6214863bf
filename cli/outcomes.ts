import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { TOPICS } from '../contract/log/topics.ts'
import type { Database } from '../core/db/database.ts'

/** Where the events of one `sluice send` are in the log, from the edge's responses. */
export interface SendReport {
  /** One for each batch, the same at every attempt; every stored row has the id of its request. */
  requestIds: string[]
  /** The highest offset of these events, by partition. */
  lastOffsets: Map<number, number>
  since: Date
}

/** What became of them; duplicates are the rest. */
export interface Outcomes {
  stored: number
  dead: number
}

const WAIT_MS_MAX = 30_000

/** The outcomes, once the worker has read that far; undefined when it does not within 30 s. */
export async function waitForOutcomes(
  db: Database,
  { requestIds, lastOffsets, since }: SendReport,
): Promise<Outcomes | undefined> {
  const deadline = Date.now() + WAIT_MS_MAX
  while (!(await isApplied(db, lastOffsets))) {
    if (Date.now() > deadline) return undefined
    await sleep(50)
  }
  // received_at is the edge's time, and its clock may differ from this machine's.
  const from = new Date(since.getTime() - 60_000).toISOString()
  const { rows } = await sql<Outcomes>`
    SELECT (SELECT count(*) FROM event
             WHERE received_on >= (${from}::timestamptz)::date AND received_at >= ${from}
               AND coalesce(request_uuid::text, request_id) = ANY (${requestIds})) AS stored,
           (SELECT count(*) FROM dead_letter
             WHERE received_at >= ${from} AND request_id = ANY (${requestIds})) AS dead`.execute(db)
  return rows[0]
}

async function isApplied(db: Database, offsets: ReadonlyMap<number, number>): Promise<boolean> {
  const rows = await db
    .selectFrom('log_position')
    .select(['partition', 'next_offset'])
    .where('topic', '=', TOPICS.raw.name)
    .execute()
  return rows.every(({ partition, next_offset }) => next_offset > (offsets.get(partition) ?? -1))
}
