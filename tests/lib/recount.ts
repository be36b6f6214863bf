import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { TOPICS } from '../../contract/log/topics.ts'
import type { Log } from '../../core/log/log.ts'
import { countTotals, type Totals } from './records.ts'

/** What must be 0, whatever happened to whom. */
export interface Discrepancies extends Pick<Totals, 'wrongRollups' | 'double'> {
  /** Events that are neither stored nor dead letters, as they should be. */
  lost: number
  /** Rows of an event that is there already, or of none. */
  unexpected: number
  deadLost: number
  /** Different events among the dead letters that should not be there. */
  deadUnexpected: number
  /** Records of the log that became nothing at all, or more than one thing. */
  unaccounted: number
  /** Outcomes whose total is not the sum of all minutes. */
  wrongTotals: number
  /** Tenants whose watermark is not the minute of the highest time of their events. */
  wrongWatermarks: number
  /** Buckets with more late events than events, or late ones and no time of the revision. */
  wrongLateCounts: number
}

export const NO_DISCREPANCIES: Discrepancies = {
  lost: 0,
  unexpected: 0,
  deadLost: 0,
  deadUnexpected: 0,
  unaccounted: 0,
  wrongTotals: 0,
  wrongWatermarks: 0,
  wrongLateCounts: 0,
  wrongRollups: 0,
  double: 0,
}

export interface Recount {
  discrepancies: Discrepancies
  /** Of the whole database. */
  figures: Pick<Totals, 'stored' | 'duplicates' | 'conflicting' | 'dead'> & { logged: number }
  /** How long it took from the call until all was written, and until all dead letters were forwarded. */
  waited: { writtenMs: number; forwardedMs: number }
}

const DRAIN_MS_MAX = 120_000

/**
 * Once the workers have written all that the log holds and forwarded all dead letters: looks for each of a tenant's first
 * `events` numbers (flood.ts), and counts everything again.
 */
export async function recount(
  { databaseUrl, log }: { databaseUrl: string; log: Log },
  tenant: string,
  events: number,
): Promise<Recount> {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  pool.on('error', () => {})
  try {
    const { logged, ...waited } = await waitUntilDrained(pool, log)
    const { wrongRollups, double, ...figures } = await countTotals(pool)
    const { stored, duplicates, conflicting, dead } = figures
    const unaccounted = logged - stored - duplicates - conflicting - dead
    const found = await findAll(pool, tenant, events)
    const wrong = await findWrong(pool)
    return {
      discrepancies: { ...found, ...wrong, unaccounted, wrongRollups, double },
      figures: { ...figures, logged },
      waited,
    }
  } finally {
    await pool.end()
  }
}

async function waitUntilDrained(pool: pg.Pool, log: Log) {
  const began = Date.now()
  let writtenMs: number | undefined
  for (;;) {
    const bounds = await log.offsets(TOPICS.raw.name)
    const logged = bounds.reduce((total, { lastStableOffset: next }) => total + next, 0)
    const { rows } = await pool.query(
      `SELECT (SELECT sum(next_offset)::float8 FROM log_position WHERE topic = $1) AS applied,
              (SELECT count(*)::float8 FROM dead_letter WHERE forwarded_at IS NULL) AS waiting`,
      [TOPICS.raw.name],
    )
    const { applied, waiting } = rows[0]
    const forwardedMs = Date.now() - began
    if (applied === logged) writtenMs ??= forwardedMs
    if (writtenMs !== undefined && waiting === 0) return { logged, writtenMs, forwardedMs }
    if (forwardedMs > DRAIN_MS_MAX)
      throw new Error(
        `after ${DRAIN_MS_MAX / 1000} s the workers have written ${applied} of ${logged}, and ${waiting} dead letters wait`,
      )
    await sleep(100)
  }
}

type Wrong = Pick<Discrepancies, 'wrongTotals' | 'wrongWatermarks' | 'wrongLateCounts'>

async function findWrong(pool: pg.Pool): Promise<Wrong> {
  const { rows } = await pool.query<Wrong>(`
    WITH minutes AS (
      SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(duplicate), 0) AS duplicate,
             coalesce(sum(conflicting), 0) AS conflicting, coalesce(sum(dead), 0) AS dead
        FROM outcome_minute
    ), totals AS (
      SELECT coalesce(sum(stored), 0) AS stored, coalesce(sum(duplicate), 0) AS duplicate,
             coalesce(sum(conflicting), 0) AS conflicting, coalesce(sum(dead), 0) AS dead
        FROM (SELECT stored, duplicate, conflicting, dead FROM outcome_total_by_partition WHERE partition >= 0
              UNION ALL SELECT stored, duplicate, conflicting, dead FROM outcome_total WHERE tenant_id <> 0) t
    ), highest AS (
      SELECT tenant_id, date_trunc('minute', max(least(occurred_at, received_at))) AS at FROM event GROUP BY 1
    ), watermarks AS (
      SELECT tenant_id, max(highest_at) AS at FROM watermark GROUP BY 1
    )
    SELECT (SELECT (m.stored <> t.stored)::int + (m.duplicate <> t.duplicate)::int
                   + (m.conflicting <> t.conflicting)::int + (m.dead <> t.dead)::int
              FROM minutes m, totals t) AS "wrongTotals",
           (SELECT count(*)::int FROM highest h FULL JOIN watermarks w USING (tenant_id)
             WHERE h.at IS DISTINCT FROM w.at) AS "wrongWatermarks",
           (SELECT count(*)::int FROM rollup_15m
             WHERE late_count > count OR (late_count > 0 AND revised_at IS NULL)) AS "wrongLateCounts"`)
  return rows[0] as Wrong
}

async function findAll(pool: pg.Pool, tenant: string, events: number) {
  const { rows } = await pool.query<
    Omit<Discrepancies, keyof Wrong | 'unaccounted' | 'wrongRollups' | 'double'>
  >(
    `WITH t AS (SELECT tenant_id FROM tenant WHERE slug = $1),
     expected AS (SELECT n, n % 100 = 37 AS dead FROM generate_series(0, $2::int - 1) n),
     stored AS (SELECT substr(client_event_id, 3)::int AS n, count(*) AS times
                  FROM event WHERE tenant_id = (TABLE t) GROUP BY 1),
     dead_letters AS (SELECT DISTINCT substr(convert_from(original, 'UTF8')::json ->> 'event_id', 3)::int AS n
                   FROM dead_letter WHERE tenant_id = (TABLE t)),
     events AS (SELECT dead, times FROM expected FULL JOIN stored USING (n)),
     dead_check AS (SELECT e.dead, l.n AS dead_letter FROM expected e FULL JOIN dead_letters l USING (n))
     SELECT (SELECT count(*)::int FROM events WHERE NOT dead AND times IS NULL) AS lost,
            (SELECT coalesce(sum(CASE WHEN dead IS NOT FALSE THEN times ELSE times - 1 END), 0)::int
               FROM events WHERE times IS NOT NULL) AS "unexpected",
            (SELECT count(*)::int FROM dead_check c WHERE c.dead AND dead_letter IS NULL) AS "deadLost",
            (SELECT count(*)::int FROM dead_check c WHERE dead_letter IS NOT NULL AND c.dead IS NOT TRUE) AS "deadUnexpected"`,
    [tenant, events],
  )
  return rows[0] as (typeof rows)[number]
}
