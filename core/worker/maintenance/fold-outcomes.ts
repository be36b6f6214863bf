import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'

/**
 * Outcomes are kept by the minute for a while and then by 15 minutes: once all of a partition is older, its table is
 * replaced by one with a row for each tenant and 15 minutes. No sum changes by it. Who writes to that day meanwhile
 * (a replay) waits; everybody else waits for the exchange alone, a quarter of a second at most.
 * @param before partitions that end by then, in milliseconds since 1970
 * @returns the partitions that were replaced
 * @throws AggregateError with the error of each that could not be replaced; it stays as it was until the next time
 */
export async function foldOutcomes(pool: pg.Pool, before: number): Promise<string[]> {
  const folded: string[] = []
  const errors: unknown[] = []
  for (const partition of await findUnfolded(pool, before))
    try {
      if (await fold(pool, partition)) folded.push(partition.name)
    } catch (error) {
      errors.push(error)
    }
  if (errors.length > 0)
    throw new AggregateError(
      errors,
      `${errors.length} days of outcomes could not be folded: ${errors[0]}`,
    )
  return folded
}

interface OutcomePartition {
  name: string
  /** `FOR VALUES FROM (…) TO (…)`, with offsets from UTC. */
  bounds: string
}

/** The comment of a table that was replaced. */
const FOLDED = 'folded into 15-minute rows'

const PARTITIONS = `
  SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bounds
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'outcome_minute'::regclass
     AND obj_description(c.oid, 'pg_class') IS DISTINCT FROM '${FOLDED}'`

async function findUnfolded(pool: pg.Pool, before: number): Promise<OutcomePartition[]> {
  const { rows } = await pool.query<OutcomePartition>(
    `SELECT name, bounds FROM (${PARTITIONS}) p
      WHERE substring(bounds FROM 'TO \\(''([^'']+)''\\)')::timestamptz <= to_timestamp($1 / 1000.0)
      ORDER BY name`,
    [before],
  )
  return rows
}

/** A day of ten thousand tenants takes some twenty seconds. */
const FOLD_MS_MAX = 600_000
const LOCK_MS_MAX = 250
const EXCHANGE_ATTEMPTS = 5
const EXCHANGE_RETRY_MS = 1_000
const LOCK_NOT_AVAILABLE = '55P03'

/** @returns false when another worker did it */
async function fold(pool: pg.Pool, { name, bounds }: OutcomePartition): Promise<boolean> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(
      `BEGIN; SET LOCAL statement_timeout = ${FOLD_MS_MAX}; SET LOCAL lock_timeout = ${LOCK_MS_MAX}`,
    )
    const { rows } = await client.query<{ mine: boolean }>(
      `SELECT pg_try_advisory_xact_lock(${LOCKS.foldOutcomes.key}) AS mine`,
    )
    const isFolded = rows[0]?.mine && (await replace(client, { name, bounds }))
    await client.query('COMMIT')
    return isFolded === true
  } catch (error) {
    broken = error as Error
    throw error
  } finally {
    client.release(broken)
  }
}

async function replace(
  client: pg.PoolClient,
  { name, bounds }: OutcomePartition,
): Promise<boolean> {
  const { rows } = await client.query(`${PARTITIONS} AND c.relname = $1`, [name])
  if (rows.length === 0) return false
  await client.query(`LOCK TABLE ${name} IN SHARE MODE`)
  const folded = `${name}_folding`
  await client.query({
    text: `
    CREATE TABLE ${folded} (LIKE ${name} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
    INSERT INTO ${folded} (tenant_id, minute, stored, duplicate, conflicting, dead)
    SELECT tenant_id, date_bin('15 minutes', minute, 'epoch'), sum(stored)::bigint, sum(duplicate)::bigint,
           sum(conflicting)::bigint, sum(dead)::bigint
      FROM ${name} GROUP BY 1, 2 ORDER BY 1, 2;
    ALTER TABLE ${folded} ADD PRIMARY KEY (tenant_id, minute);
    COMMENT ON TABLE ${folded} IS '${FOLDED}'`,
    query_timeout: FOLD_MS_MAX,
  } as pg.QueryConfig)
  await exchange(client, name, folded, bounds)
  return true
}

/** Needs the whole of outcome_minute for a moment, and gives way to long queries. */
async function exchange(
  client: pg.PoolClient,
  name: string,
  folded: string,
  bounds: string,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await client.query('SAVEPOINT exchange')
    try {
      await client.query(`
        ALTER TABLE outcome_minute DETACH PARTITION ${name};
        DROP TABLE ${name};
        ALTER TABLE ${folded} RENAME TO ${name};
        ALTER INDEX ${folded}_pkey RENAME TO ${name}_pkey;
        ALTER TABLE outcome_minute ATTACH PARTITION ${name} ${bounds}`)
      return
    } catch (error) {
      if (
        (error as { code?: unknown }).code !== LOCK_NOT_AVAILABLE ||
        attempt === EXCHANGE_ATTEMPTS
      )
        throw error
      await client.query('ROLLBACK TO SAVEPOINT exchange')
      await sleep(EXCHANGE_RETRY_MS)
    }
  }
}
