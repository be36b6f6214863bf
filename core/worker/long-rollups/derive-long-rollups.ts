import type pg from 'pg'
import { DAY_MS } from '../../db/partitions.ts'
import { LONG_MINUTES, NAMES_METRIC } from '../../db/tables/long-rollups.ts'
import { watermarkSql } from '../../db/watermark.ts'
import type { FailingTenants } from '../sketches/failing-tenants.ts'
import { advanceRevision, proposeRevision } from '../sketches/revised-buckets.ts'
import { timeSql } from '../sketches/sketch-rows.ts'
import { deriveDay, type LongRange, seriesSql, tableOf } from './derive-day.ts'

export interface LongRollupDeps {
  failing: FailingTenants
  /** See revised-buckets.ts. */
  graceMs: number
  isOver(): boolean
}

export interface LongRollupResult {
  /** Rows written. */
  derived: number
  isComplete: boolean
}

const REVISION = 'rollup_long_revision'
const HOUR_MS = 3_600_000
const HOURS_MAX = 2_000

/**
 * Hours and days of rollups, of event names and of declared metrics: once they are final, and again where they were
 * revised. A part of the run of sketches, under its lock and on its connection.
 *
 * Metrics never come further than the names of their tenant, and are derived again together with them. So an hour whose
 * names count what their 15-minute rows count is right of all metrics: a batch adds an event to both or to neither.
 */
export async function deriveLongRollups(
  client: pg.ClientBase,
  deps: LongRollupDeps,
): Promise<LongRollupResult> {
  const { failing, isOver } = deps
  let derived = 0
  let isComplete = failing.waiting().length === 0
  async function derive(range: LongRange): Promise<boolean> {
    const rows = await failing.attempt(range.tenantId, () => deriveDay(client, range))
    derived += rows ?? 0
    if (rows === undefined) isComplete = false
    return rows !== undefined
  }

  const ended = await proposeRevision(client, deps.graceMs, REVISION)
  const { ranges, isCut } = await findRevised(client, failing.waiting())
  for (const range of ranges) {
    if (isOver()) return { derived, isComplete: false }
    await derive(range)
  }
  if (ended !== undefined && !isCut && isComplete) await advanceRevision(client, ended, REVISION)
  for (const ofWhat of [NAMES_TARGETS, METRIC_TARGETS])
    for (const target of await findTargets(client, ofWhat, failing.waiting())) {
      const { tenantId, metricId, targetMs } = target
      for (let throughMs = target.throughMs; throughMs === undefined || throughMs < targetMs; ) {
        if (isOver()) return { derived, isComplete: false }
        const fromMs = await nextMs(client, { ...target, throughMs })
        const beforeMs = Math.min(Math.floor(fromMs / DAY_MS) * DAY_MS + DAY_MS, targetMs)
        const range = { tenantId, metricIds: [metricId], fromMs, beforeMs, isRevision: false }
        if (!(await derive(range))) break
        throughMs = beforeMs
      }
    }
  return { derived, isComplete: isComplete && !isCut }
}

/** Of the order in which doubles were added. */
const ROUNDING = 1e-12

/** What hours of names have, and what their 15-minute rows add up to now, of each series. */
const DIFFERS = `
  SELECT FROM (
    SELECT s.series_id, sum(r.count) AS count, sum(r.value_count) AS value_count, sum(r.sum) AS sum,
           sum(r.late_count) AS late_count, max(r.revised_at) AS revised_at
      FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
     WHERE s.tenant_id = h.tenant_id AND r.bucket >= h.hour AND r.bucket < h.hour + interval '1 hour'
     GROUP BY s.series_id) now
  FULL JOIN (
    SELECT l.* FROM series s
      JOIN rollup_long l ON l.tenant_id = s.tenant_id AND l.metric_id = ${NAMES_METRIC} AND l.series_id = s.series_id
                        AND l.minutes = ${LONG_MINUTES[0]} AND l.bucket = h.hour
     WHERE s.tenant_id = h.tenant_id) l USING (series_id)
  WHERE (now.count, now.value_count, now.late_count, now.revised_at)
        IS DISTINCT FROM (l.count::numeric, l.value_count::numeric, l.late_count::numeric, l.revised_at)
     OR abs(now.sum - l.sum) > ${ROUNDING} * (abs(now.sum) + abs(l.sum))`

/**
 * Hours that were revised and whose names count other events now than when they were derived. Those of one day are one
 * range, with the hours between them: its longer buckets are derived once.
 */
async function findRevised(
  client: pg.ClientBase,
  except: readonly number[],
): Promise<{ ranges: LongRange[]; isCut: boolean }> {
  const { rows } = await client.query<{ tenant_id: number; ms: number; metric_ids: number[] }>(
    `SELECT h.tenant_id, (extract(epoch FROM h.hour) * 1000)::float8 AS ms,
            ARRAY(SELECT m.metric_id::float8 FROM rollup_long_progress m
                   WHERE m.tenant_id = h.tenant_id AND m.derived_through > h.hour ORDER BY m.metric_id) AS metric_ids
       FROM (SELECT DISTINCT r.tenant_id, date_bin('1 hour', r.bucket, 'epoch') AS hour
               FROM rollup_15m r
               JOIN rollup_long_progress p ON p.tenant_id = r.tenant_id AND p.metric_id = ${NAMES_METRIC}
                                          AND r.bucket < p.derived_through
              WHERE r.revised_at >= (SELECT checked_to FROM ${REVISION}) AND r.tenant_id <> ALL ($1)) h
      WHERE EXISTS (${DIFFERS})
      ORDER BY 1, 2 LIMIT ${HOURS_MAX + 1}`,
    [except],
  )
  const ranges: LongRange[] = []
  for (const { tenant_id: tenantId, ms: fromMs, metric_ids: metricIds } of rows.slice(
    0,
    HOURS_MAX,
  )) {
    const last = ranges.at(-1)
    const beforeMs = fromMs + HOUR_MS
    if (last?.tenantId === tenantId && dayOf(last.fromMs) === dayOf(fromMs))
      last.beforeMs = beforeMs
    // Of the first hour, which all metrics have that have a later one.
    else ranges.push({ tenantId, metricIds, fromMs, beforeMs, isRevision: true })
  }
  return { ranges, isCut: rows.length > HOURS_MAX }
}

const dayOf = (ms: number) => Math.floor(ms / DAY_MS)

interface Target {
  tenantId: number
  metricId: number
  /** Undefined: nothing was derived yet. */
  throughMs: number | undefined
  targetMs: number
}

/** Names end before the last hour that is final. */
const NAMES_TARGETS = `
  SELECT o.tenant_id, ${NAMES_METRIC}::bigint AS metric_id, p.derived_through AS through,
         date_bin('1 hour', ${watermarkSql('o.tenant_id')}, 'epoch') AS target
    FROM tenant o LEFT JOIN rollup_long_progress p ON p.tenant_id = o.tenant_id AND p.metric_id = ${NAMES_METRIC}
   WHERE EXISTS (SELECT FROM watermark w WHERE w.tenant_id = o.tenant_id)`

/** Metrics end where their names do, once their history is counted. */
const METRIC_TARGETS = `
  SELECT d.tenant_id, d.metric_id, p.derived_through AS through, n.derived_through AS target
    FROM metric_definition d
    JOIN rollup_long_progress n ON n.tenant_id = d.tenant_id AND n.metric_id = ${NAMES_METRIC}
    LEFT JOIN rollup_long_progress p ON p.tenant_id = d.tenant_id AND p.metric_id = d.metric_id
   WHERE d.retired_at IS NULL
     AND NOT EXISTS (SELECT FROM metric_backfill b WHERE b.metric_id = d.metric_id AND b.completed_at IS NULL)`

async function findTargets(
  client: pg.ClientBase,
  targets: string,
  except: readonly number[],
): Promise<Target[]> {
  const { rows } = await client.query<{
    tenant_id: number
    metric_id: number
    through: number | null
    target: number
  }>(
    `SELECT tenant_id, metric_id::float8 AS metric_id, (extract(epoch FROM through) * 1000)::float8 AS through,
            (extract(epoch FROM target) * 1000)::float8 AS target
       FROM (${targets}) t
      WHERE target > coalesce(through, '-infinity') AND tenant_id <> ALL ($1)
      ORDER BY through NULLS FIRST, tenant_id, metric_id`,
    [except],
  )
  return rows.map(({ tenant_id, metric_id, through, target }) => ({
    tenantId: tenant_id,
    metricId: metric_id,
    throughMs: through ?? undefined,
    targetMs: target,
  }))
}

/**
 * Where the next range begins. Days without events are skipped, from a midnight on: the longer buckets of a day that was
 * begun are still to be derived.
 */
async function nextMs(
  client: pg.ClientBase,
  { tenantId, metricId, throughMs, targetMs }: Target,
): Promise<number> {
  if (throughMs !== undefined && throughMs % DAY_MS !== 0) return throughMs
  const from = throughMs === undefined ? "'-infinity'" : timeSql(throughMs)
  const { rows } = await client.query<{ ms: number | null }>(
    `SELECT (extract(epoch FROM date_bin('1 day', min(f.bucket), 'epoch')) * 1000)::float8 AS ms
       FROM (${seriesSql(tenantId, metricId)}) s CROSS JOIN LATERAL (
         SELECT r.bucket FROM ${tableOf(metricId)} r
          WHERE r.tenant_id = ${tenantId} AND r.series_id = s.series_id AND r.bucket >= ${from} AND r.bucket < ${timeSql(targetMs)}
          ORDER BY r.bucket LIMIT 1) f`,
  )
  // Without rows the last hour is derived all the same, of nothing, so that progress is saved.
  return rows[0]?.ms ?? Math.max(targetMs - HOUR_MS, throughMs ?? Number.NEGATIVE_INFINITY)
}
