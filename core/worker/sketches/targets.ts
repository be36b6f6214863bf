import type pg from 'pg'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { DAY_MS, DAYS } from '../../db/partitions.ts'
import { watermarkSql } from '../../db/watermark.ts'
import { timeSql } from './sketch-rows.ts'

export interface TenantTarget {
  tenantId: number
  /** Undefined: nothing was derived yet. */
  throughMs: number | undefined
  targetMs: number
}

export interface TargetArgs {
  /** The start of a day: what was received before it is about to be dropped. */
  droppedBeforeMs: number | undefined
  /** Tenants that are left out. */
  except: readonly number[]
}

/**
 * Tenants whose sketches end before the last hour that is final, or before the last event that is about to be dropped;
 * not further, because events that are added beyond the watermark are neither late nor marked. Oldest first.
 */
export async function findTargets(
  client: pg.ClientBase,
  { droppedBeforeMs, except }: TargetArgs,
): Promise<TenantTarget[]> {
  const { rows } = await client.query<{
    tenant_id: number
    through: number | null
    target: number
  }>(
    `SELECT tenant_id, (extract(epoch FROM derived_through) * 1000)::float8 AS through,
            (extract(epoch FROM target) * 1000)::float8 AS target
       FROM (SELECT owner.tenant_id, p.derived_through,
                    greatest(date_bin('1 hour', ${watermarkSql('owner.tenant_id')}, 'epoch'),
                             ${droppedBeforeMs === undefined ? 'NULL::timestamptz' : lastHeldSql(droppedBeforeMs)}) AS target
               FROM tenant owner LEFT JOIN sketch_progress p USING (tenant_id)
              WHERE EXISTS (SELECT FROM watermark w WHERE w.tenant_id = owner.tenant_id)
                AND owner.tenant_id <> ALL ($1)) found
      WHERE target > coalesce(derived_through, '-infinity')
      ORDER BY derived_through NULLS FIRST, tenant_id`,
    [except],
  )
  return rows.map(({ tenant_id, through, target }) => ({
    tenantId: tenant_id,
    throughMs: through ?? undefined,
    targetMs: target,
  }))
}

/** The end of the last bucket that has events from before that day and no sketch yet. */
function lastHeldSql(beforeMs: number): string {
  return `(SELECT date_bin('15 minutes', max(e.occurred_at), 'epoch') + interval '15 minutes' FROM event e
            WHERE ${whereUnderived('owner.tenant_id', 'p.derived_through', { beforeMs })})`
}

/** Events `e` of a tenant that were received before a day, or on it, and have no sketch yet. @param through as SQL */
export function whereUnderived(
  tenantId: string,
  through: string,
  { beforeMs, fromMs }: { beforeMs: number; fromMs?: number },
): string {
  const dateOf = (ms: number) => `date '${DAYS.startOf(DAYS.numberOf(ms))}'`
  // Nothing occurs later than a few minutes after it was received: of most tenants no event is looked at.
  return `coalesce(${through}, '-infinity') < ${timeSql(beforeMs)} + interval '15 minutes'
      AND e.tenant_id = ${tenantId} AND e.occurred_at >= coalesce(${through}, '-infinity')
      AND e.received_on < ${dateOf(beforeMs)} ${fromMs === undefined ? '' : `AND e.received_on >= ${dateOf(fromMs)}`}`
}

/**
 * The next range of the tenant, within one day: as many buckets as have `eventsMax` events together, or all that is left
 * of the day. Where the rest of the day is empty it ends with the day, whose longer buckets are then complete; whole days
 * without events are skipped.
 */
export async function nextStep(
  client: pg.ClientBase,
  { tenantId, throughMs, targetMs }: TenantTarget,
  eventsMax: number,
): Promise<{ tenantId: number; fromMs: number; beforeMs: number }> {
  let fromMs = throughMs
  if (fromMs === undefined || fromMs % DAY_MS === 0) {
    const first = await firstBucketMs(client, tenantId, fromMs, targetMs)
    if (first === undefined) return { tenantId, fromMs: fromMs ?? targetMs, beforeMs: targetMs }
    fromMs = Math.floor(first / DAY_MS) * DAY_MS
  }
  const endMs = Math.min(Math.floor(fromMs / DAY_MS) * DAY_MS + DAY_MS, targetMs)
  const { rows } = await client.query<{ ms: number; count: number }>(
    `SELECT (extract(epoch FROM r.bucket) * 1000)::float8 AS ms, sum(r.count)::float8 AS count
       FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
      WHERE s.tenant_id = ${tenantId} AND r.bucket >= ${timeSql(fromMs)} AND r.bucket < ${timeSql(endMs)}
      GROUP BY r.bucket ORDER BY r.bucket`,
  )
  let events = 0
  for (const { ms, count } of rows) {
    events += count
    if (events > eventsMax && ms > fromMs) return { tenantId, fromMs, beforeMs: ms }
    if (events > eventsMax) return { tenantId, fromMs, beforeMs: ms + BUCKET_15M_MS }
  }
  return { tenantId, fromMs, beforeMs: endMs }
}

/** A look-up for each series. */
async function firstBucketMs(
  client: pg.ClientBase,
  tenantId: number,
  fromMs: number | undefined,
  beforeMs: number,
): Promise<number | undefined> {
  const from = fromMs === undefined ? "'-infinity'" : timeSql(fromMs)
  const { rows } = await client.query<{ ms: number | null }>(
    `SELECT (extract(epoch FROM min(f.bucket)) * 1000)::float8 AS ms
       FROM series s CROSS JOIN LATERAL (
         SELECT r.bucket FROM rollup_15m r
          WHERE r.tenant_id = s.tenant_id AND r.series_id = s.series_id AND r.bucket >= ${from} AND r.bucket < ${timeSql(beforeMs)}
          ORDER BY r.bucket LIMIT 1) f
      WHERE s.tenant_id = ${tenantId}`,
  )
  return rows[0]?.ms ?? undefined
}
