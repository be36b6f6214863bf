import type pg from 'pg'
import { DAY_MS, existingDays } from '../../../db/day-partitions.ts'
import { readRetention } from '../../../db/event-retention.ts'
import type { Logger } from '../../../lib/logger.ts'
import { checkMetrics } from '../checks/metrics.ts'
import { checkRollups } from '../checks/rollups.ts'
import type { Difference } from '../difference.ts'
import { halve, type MsRange } from '../ranges.ts'
import { inSnapshot } from '../verify.ts'

/**
 * Compares rollups and declared metrics with their events, an hour of all tenants at a time, and keeps what differs in
 * rollup_difference, where /metrics and /readyz read it for nothing.
 */
export interface Sampler {
  /** What is recorded, the two newest hours, and the next older one: all that is held is compared again and again. */
  step(): Promise<void>
}

const HOUR_MS = 3_600_000
const STATEMENT_MS_MAX = 5_000
const STATEMENT_TIMEOUT = '57014'
/** More of them mean nothing more. */
const DIFFERENCES_MAX = 1_000
/** Of those that are recorded, in one step. */
const RECHECKED_MAX = 5

export function createSampler(
  pool: pg.Pool,
  logger: Pick<Logger, 'error' | 'warn'>,
  signal: AbortSignal,
): Sampler {
  /** Hours from this one on were compared; undefined: from the newest one on. */
  let sweptFrom: number | undefined
  /** Of these hours. */
  let isSweepWhole = true

  async function compare(range: MsRange): Promise<void> {
    const found = await findDifferences(pool, range, signal)
    // A difference of one snapshot may be of a repair or a derivation that has not ended; of two it is none of these.
    const again = found.length > 0 ? await findDifferences(pool, range, signal) : []
    const keys = new Set(again.map(keyOf))
    const both = found.filter((each) => keys.has(keyOf(each)))
    const isNew = await saveDifferences(pool, range, both)
    if (isNew)
      logger.error(
        { differences: both.length, tenant: both[0]?.tenant, bucket: both[0]?.bucket },
        'rollups differ from their events: see "sluice verify", and "sluice verify --repair"',
      )
  }

  /**
   * In smaller parts where a statement takes too long.
   * @returns false where a single bucket does: it is left to the nightly recount
   */
  async function compareInTime(range: MsRange): Promise<boolean> {
    signal.throwIfAborted()
    try {
      await compare(range)
      return true
    } catch (error) {
      if ((error as { code?: unknown }).code !== STATEMENT_TIMEOUT) throw error
      const parts = halve(range)
      let all = parts !== undefined
      for (const part of parts ?? []) all = (await compareInTime(part)) && all
      return all
    }
  }

  async function nextHour(newest: number): Promise<number | undefined> {
    const days = [...(await existingDays(pool, 'event'))]
    const oldest = Math.min(...days) * 24
    const next = (sweptFrom ?? newest) - 1
    if (days.length > 0 && next >= oldest) {
      sweptFrom = next
      return next
    }
    sweptFrom = undefined
    if (isSweepWhole) await pool.query('UPDATE verification_state SET swept_at = clock_timestamp()')
    isSweepWhole = true
    return undefined
  }

  return {
    async step() {
      const { rows } = await pool.query<{ hour: number; recorded: number[] }>(
        `SELECT floor(extract(epoch FROM clock_timestamp()) / 3600)::int AS hour, ARRAY(
           SELECT DISTINCT floor(extract(epoch FROM bucket) / 3600)::int FROM (
             SELECT bucket FROM rollup_difference ORDER BY checked_at LIMIT ${RECHECKED_MAX}) d) AS recorded`,
      )
      const { hour, recorded } = rows[0] as (typeof rows)[number]
      const newest = [hour, hour - 1]
      const next = await nextHour(hour - 1)
      let isWhole = true
      for (const each of new Set([...recorded, ...newest, ...(next === undefined ? [] : [next])])) {
        const range = { fromMs: each * HOUR_MS, toMs: (each + 1) * HOUR_MS }
        isWhole = (await compareInTime(range)) && isWhole
      }
      isSweepWhole &&= isWhole
      // The age of the comparison grows where it takes too long: /metrics and /readyz show that.
      if (isWhole) await pool.query('UPDATE verification_state SET sampled_at = clock_timestamp()')
    },
  }
}

const keyOf = ({ kind, tenant, metric, bucket }: Difference) =>
  `${kind} ${tenant} ${bucket} ${metric}`

/** All of one snapshot, in which each batch is whole or not there. */
async function findDifferences(
  pool: pg.Pool,
  range: MsRange,
  signal: AbortSignal,
): Promise<Difference[]> {
  const context = {
    ...{ ...range, signal, statementMsMax: STATEMENT_MS_MAX, isSmall: true, log: undefined },
    ...{ days: [Math.floor(range.fromMs / DAY_MS)], droppedThrough: undefined },
  }
  return inSnapshot(pool, context, async (client) => {
    const { droppedThrough } = await readRetention((text, values) => client.query(text, values))
    const differences: Difference[] = []
    for (const check of [checkRollups, checkMetrics])
      for (const part of await check(context, client))
        differences.push(...(await part.run(client, droppedThrough)).differences)
    return differences
  })
}

/** What was found in a range, in the place of what had been. @returns whether any of it was not recorded before */
async function saveDifferences(
  pool: pg.Pool,
  { fromMs, toMs }: MsRange,
  found: readonly Difference[],
): Promise<boolean> {
  const column = (read: (difference: Difference) => unknown) => found.map(read)
  const { rows } = await pool.query<{ added: boolean }>(
    `WITH found AS (
       SELECT DISTINCT ON (tenant_id, kind, metric, bucket) * FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[])
           AS f (tenant_id, kind, metric, bucket, stored, recounted)
     ), gone AS (
       DELETE FROM rollup_difference d WHERE d.bucket >= to_timestamp($7::float8 / 1000) AND d.bucket < to_timestamp($8::float8 / 1000)
          AND (d.tenant_id, d.kind, d.metric, d.bucket) NOT IN (SELECT tenant_id, kind, metric, bucket FROM found)
     ), saved AS (
       INSERT INTO rollup_difference AS d (tenant_id, kind, metric, bucket, stored, recounted, found_at, checked_at)
       SELECT f.*, now(), now() FROM found f
        WHERE EXISTS (SELECT FROM rollup_difference k WHERE (k.tenant_id, k.kind, k.metric, k.bucket) = (f.tenant_id, f.kind, f.metric, f.bucket))
           OR (SELECT count(*) FROM rollup_difference) < ${DIFFERENCES_MAX}
       ON CONFLICT (tenant_id, kind, metric, bucket) DO UPDATE SET
         stored = EXCLUDED.stored, recounted = EXCLUDED.recounted, checked_at = EXCLUDED.checked_at
       RETURNING found_at = checked_at AS added
     )
     SELECT coalesce(bool_or(added), false) AS added FROM saved`,
    [
      column(({ tenant }) => tenant),
      column(({ kind }) => kind),
      column(({ metric }) => metric ?? ''),
      column(({ bucket }) => bucket),
      column(({ stored }) => stored),
      column(({ recounted }) => recounted),
      ...[fromMs, toMs],
    ],
  )
  return rows[0]?.added === true
}
