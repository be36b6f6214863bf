import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'

/**
 * Outcomes are kept by the minute for a while and then by 15 minutes. Once all of a partition is older, its rows are
 * added up some at a time, each time in a transaction of its own: no sum ever changes, a dump that has begun sees the
 * former rows, and finality does not wait for a long transaction. Then the partition is rewritten once, without the
 * room of the rows that are gone; who asks about that very day waits for it.
 */
export interface OutcomeFolding {
  /**
   * Goes on where the last call stopped, for as long as FOLD_MS_MAX.
   * @param before partitions that end by then, in milliseconds since 1970
   * @returns how many rows of a minute became part of a 15-minute row
   */
  run(before: number): Promise<number>
}

/** In one run: a day of ten thousand tenants takes some minutes. */
const FOLD_MS_MAX = 60_000
/** The comment of a partition that is done. */
const FOLDED = 'folded into 15-minute rows'
const LOCK_NOT_AVAILABLE = '55P03'

interface RowKey {
  tenantId: number
  minute: string
}

const FIRST: RowKey = { tenantId: -1, minute: '-infinity' }

export function createOutcomeFolding(pool: pg.Pool, rowsMax = 20_000): OutcomeFolding {
  /** By partition: the last row that was looked at. */
  const reached = new Map<string, RowKey>()

  async function foldPartition(name: string, deadline: number): Promise<number> {
    let folded = 0
    for (let after = reached.get(name) ?? FIRST; performance.now() < deadline; ) {
      const { rows } = await pool.query(foldSql(name), [after.tenantId, after.minute, rowsMax])
      const { mine, count, seen, tenant_id, minute } = rows[0]
      // Another worker does it.
      if (!mine) break
      folded += count
      if (seen < rowsMax) {
        reached.delete(name)
        await finish(pool, name)
        break
      }
      after = { tenantId: tenant_id, minute }
      reached.set(name, after)
    }
    return folded
  }

  return {
    async run(before) {
      const deadline = performance.now() + FOLD_MS_MAX
      let folded = 0
      for (const name of await findUnfolded(pool, before))
        folded += await foldPartition(name, deadline)
      return folded
    },
  }
}

async function findUnfolded(pool: pg.Pool, before: number): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'outcome_minute'::regclass
        AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM '${FOLDED}'
        AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''\\)')::timestamptz
            <= to_timestamp($1 / 1000.0)
      ORDER BY c.relname`,
    [before],
  )
  return rows.map(({ name }) => name)
}

/** The next rows by key: those of a minute within a quarter of an hour go, and are added to that of its first minute. */
function foldSql(partition: string): string {
  return `
WITH lock AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(${LOCKS.foldOutcomes.key}) AS mine),
seen AS MATERIALIZED (
  SELECT tenant_id, minute FROM ${partition}
   WHERE (SELECT mine FROM lock) AND (tenant_id, minute) > ($1, $2)
   ORDER BY tenant_id, minute LIMIT $3 FOR UPDATE
), deleted AS (
  DELETE FROM ${partition} o USING seen s
   WHERE o.tenant_id = s.tenant_id AND o.minute = s.minute AND s.minute <> date_bin('15 minutes', s.minute, 'epoch')
  RETURNING o.*
), folded AS (
  INSERT INTO ${partition} AS o (tenant_id, minute, stored, duplicate, conflicting, dead)
  SELECT d.tenant_id, date_bin('15 minutes', d.minute, 'epoch'), sum(d.stored)::bigint, sum(d.duplicate)::bigint,
         sum(d.conflicting)::bigint, sum(d.dead)::bigint
    FROM deleted d
   GROUP BY 1, 2
   ORDER BY 1, 2
  ON CONFLICT (tenant_id, minute) DO UPDATE SET
    stored = o.stored + EXCLUDED.stored,
    duplicate = o.duplicate + EXCLUDED.duplicate,
    conflicting = o.conflicting + EXCLUDED.conflicting,
    dead = o.dead + EXCLUDED.dead
)
SELECT (SELECT mine FROM lock), (SELECT count(*)::int FROM deleted) AS count, (SELECT count(*)::int FROM seen) AS seen,
       last.tenant_id, last.minute::text
  FROM (SELECT) one LEFT JOIN (SELECT tenant_id, minute FROM seen ORDER BY 1 DESC, 2 DESC LIMIT 1) last ON true`
}

/** Gives way to readers and writers of that day: then it is done an hour later. */
async function finish(pool: pg.Pool, name: string): Promise<void> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query("SET lock_timeout = '250ms'")
    await client.query({
      text: `VACUUM (FULL, ANALYZE) ${name}`,
      query_timeout: FOLD_MS_MAX,
    } as pg.QueryConfig)
    await client.query(`COMMENT ON TABLE ${name} IS '${FOLDED}'`)
    await client.query('RESET lock_timeout')
  } catch (error) {
    broken = error as Error
    if ((error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error
  } finally {
    client.release(broken)
  }
}
