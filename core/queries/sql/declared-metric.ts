import { type RawBuilder, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { StoredMetric } from '../../metrics/compile-metric.ts'
import { METRIC_LIMITS } from '../../metrics/metric-limits.ts'
import { METRIC_COLUMNS, readMetric } from '../../metrics/stored-metrics.ts'
import { ceilBucket15m, floorBucket15m, type Instant, isBefore, toMicros } from '../instant.ts'
import { type MetricsArgs, type MetricsInput, parseMetricsArgs } from '../metrics/metrics-args.ts'
import type { ResultInfo, Source } from '../query-result.ts'
import { bucketOf, type Range } from './buckets.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { dimensionsOf, isOneOf, whereFilters } from './dimensions.ts'
import {
  longSelects,
  type StoredRuns,
  storedRuns,
  whereShort,
  wholeRun,
  withEdges,
} from './long-rollups.ts'
import { type Names, OTHER, whereNames } from './names.ts'
import { eventNumber } from './numbers.ts'

/** The version of a metric that counts now. */
export interface ActiveMetric extends StoredMetric {
  version: number
  /** Buckets from then on have all events; undefined: all buckets. */
  completeSince: Instant | undefined
  /** The history is still being counted. */
  isBackfilling: boolean
}

/** The arguments of a query, and the metric that it names, if it is one. */
export async function resolveMetric(
  db: Database,
  viewer: TenantViewer,
  input: MetricsInput,
): Promise<{ metric: ActiveMetric | undefined; args: MetricsArgs }> {
  const args = parseMetricsArgs(input)
  const metric = await findMetric(db, viewer, input.name)
  return { metric, args: metric ? argsOfMetric(metric, args, input) : args }
}

/** The metric of this name, which hides events of the same name. */
async function findMetric(
  db: Database,
  viewer: TenantViewer,
  name: string,
): Promise<ActiveMetric | undefined> {
  const normalised = name.normalize('NFC').trim()
  if (normalised === '*') return undefined
  const { rows } = await sql<Record<string, unknown>>`
    SELECT ${sql.raw(METRIC_COLUMNS)}, version, ${completeSinceOf(sql`d`)} AS complete_since, ${openDayOf(sql`d`)} IS NOT NULL AS backfilling
      FROM metric_definition d
     WHERE tenant_id = ${viewer.tenantId} AND name = ${normalised} AND retired_at IS NULL`.execute(
    db,
  )
  const row = rows[0]
  if (!row) return undefined
  const since = row.complete_since as Instant | null
  return {
    ...readMetric(row),
    version: row.version as number,
    completeSince: since === null ? undefined : ceilBucket15m(since),
    isBackfilling: row.backfilling as boolean,
  }
}

/** The latest day of receipt whose events are not all counted; days are counted from the latest on. */
function openDayOf(definition: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`(SELECT max(b.day) FROM metric_backfill b WHERE b.metric_id = ${definition}.metric_id AND b.completed_at IS NULL)`
}

/** No event is received more than a few minutes before it occurred. */
export function completeSinceOf(definition: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`greatest(${definition}.complete_since,
    (${openDayOf(definition)} + 1) AT TIME ZONE 'UTC' + make_interval(secs => ${LIMITS.futureSecondsMax}))`
}

/** What a query of the metric is when it reads single events. */
function argsOfMetric(
  metric: ActiveMetric,
  args: MetricsArgs,
  { filter }: MetricsInput,
): MetricsArgs {
  return {
    ...args,
    names: metric.events,
    filters: [...metric.filters, ...(filter ?? [])],
    ...(metric.value !== 'value' && { value: metric.value }),
    ofMetric: { name: metric.name, filters: filter ?? [] },
  }
}

/** Rows of rollups, or undefined where only single events can tell. */
export async function partsOfMetric(
  db: Database,
  viewer: TenantViewer,
  metric: ActiveMetric,
  names: Names,
  args: MetricsArgs,
): Promise<
  { sql: RawBuilder<unknown>; source: Source; isLimited: boolean; runs: StoredRuns } | undefined
> {
  const { range, interval, timeZone, groupBy } = args
  const filters = args.ofMetric?.filters ?? []
  const first = ceilBucket15m(range.start)
  const last = floorBucket15m(range.end)
  const known = [...groupBy, ...filters.map(({ dimension }) => dimension)]
  if (!known.every((dimension) => metric.dimensions.includes(dimension))) return undefined
  // Longer values are truncated in series.
  const isCut = (text: string | null | undefined) =>
    [...(text ?? '')].length >= METRIC_LIMITS.dimensionValueCharsMax
  if (filters.some((filter) => filter.in.some(isCut))) return undefined
  if (toMicros(first) >= toMicros(last)) return undefined
  const isLimited = await hasShared(db, viewer, metric, { start: first, end: last })
  // What is counted together cannot be filtered.
  if (isLimited && filters.length > 0) return undefined

  const dimOf = (dimension: string) =>
    sql`s.dims[${sql.lit(metric.dimensions.indexOf(dimension) + 1)}]`
  const own = sql`ARRAY[${sql.join(groupBy.map(dimOf))}]::text[]`
  const other = sql`array_fill(${OTHER}::text, ARRAY[${sql.lit(groupBy.length)}])`
  const dims =
    groupBy.length === 0
      ? sql`'{}'::text[]`
      : sql`CASE WHEN s.dims IS NULL THEN ${other} ELSE ${own} END`
  const where = filters.map((filter) => sql`AND ${isOneOf(dimOf(filter.dimension), filter.in)}`)
  const runs = metric.isBackfilling
    ? wholeRun({ start: first, end: last })
    : await storedRuns(db, viewer, {
        metricId: metric.metricId,
        range: { start: first, end: last },
        interval,
        timeZone,
      })
  const columns = sql`${bucketOf(sql`r.bucket`, interval, timeZone, range)} AS bucket, ${dims} AS dims, r.count, r.value_count, r.sum, r.min, r.max`
  const isTotal = groupBy.length === 0 && filters.length === 0
  const parts = selectsOf(viewer, metric, {
    runs,
    columns,
    where: sql.join(where, sql` `),
    isTotal,
  })
  for (const edge of [
    { start: range.start, end: first },
    { start: last, end: range.end },
  ])
    if (toMicros(edge.start) < toMicros(edge.end))
      parts.push(await edgeParts(db, viewer, names, args, edge))
  const isWhole =
    toMicros(range.start) === toMicros(first) && toMicros(range.end) === toMicros(last)
  const source = isWhole ? 'rollup' : 'rollup+raw'
  return { sql: sql.join(parts, sql` UNION ALL `), source, isLimited, runs }
}

interface Selected {
  runs: StoredRuns
  /** Of rows `r`, and of series `s` unless these are read as one. */
  columns: RawBuilder<unknown>
  where: RawBuilder<unknown>
  /** All series together. */
  isTotal: boolean
}

/** SELECTs of the metric's rollups of every length. */
function selectsOf(
  viewer: TenantViewer,
  { metricId }: ActiveMetric,
  { runs, columns, where, isTotal }: Selected,
): RawBuilder<unknown>[] {
  const ofMetric = sql`s.metric_id = ${metricId} AND s.tenant_id = ${viewer.tenantId} ${where}`
  const series = { from: sql`metric_series s`, where: ofMetric }
  const selects = longSelects(viewer, {
    metricId,
    runs,
    columns,
    series: isTotal ? undefined : series,
  })
  const short = whereShort(runs)
  if (short)
    selects.push(sql`SELECT ${columns} FROM metric_series s JOIN metric_rollup_15m r ON r.series_id = s.series_id
       WHERE ${ofMetric} AND ${short}`)
  return selects
}

/** The part of a 15-minute bucket at an end of the range. */
async function edgeParts(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  edge: Range,
): Promise<RawBuilder<unknown>> {
  const { range, interval, timeZone, groupBy, filters } = args
  const days = await daysReceived(db, viewer, names, edge)
  return sql`
    SELECT ${bucketOf(sql`e.occurred_at`, interval, timeZone, range)} AS bucket, ${dimensionsOf(groupBy)} AS dims, count(*) AS count,
           count(v.value) AS value_count, coalesce(sum(v.value), 0) AS sum, min(v.value) AS min, max(v.value) AS max
      FROM event e CROSS JOIN LATERAL (SELECT ${eventNumber(args.value)} AS value) v
     WHERE ${whereNames(viewer, names)} AND ${whereOccurred(edge, days)} ${whereFilters(filters)} GROUP BY 1, 2`
}

function fromRollups(
  viewer: TenantViewer,
  { metricId }: ActiveMetric,
  range: Range,
): RawBuilder<unknown> {
  return sql`
      FROM metric_series s JOIN metric_rollup_15m r ON r.series_id = s.series_id
     WHERE s.metric_id = ${metricId} AND s.tenant_id = ${viewer.tenantId}
       AND r.bucket >= ${range.start}::timestamptz AND r.bucket < ${range.end}::timestamptz`
}

/**
 * Rows `(bucket, late_count, revised_at)`, whatever the grouping or the filter.
 * @param runs of the 15-minute buckets that are wholly in the range; empty: all are read from 15-minute rows
 */
export function marksOfMetric(
  viewer: TenantViewer,
  metric: ActiveMetric,
  range: Range,
  runs: StoredRuns = [],
): RawBuilder<unknown> {
  const selects = selectsOf(viewer, metric, {
    runs: withEdges(runs, range),
    columns: sql`r.bucket, r.late_count, r.revised_at`,
    where: sql``,
    isTotal: true,
  })
  return sql`SELECT r.* FROM (${sql.join(selects, sql` UNION ALL `)}) r WHERE r.late_count > 0 OR r.revised_at IS NOT NULL`
}

/** Whether combinations beyond the limit are counted together somewhere in the range. */
async function hasShared(
  db: Database,
  viewer: TenantViewer,
  metric: ActiveMetric,
  range: Range,
): Promise<boolean> {
  if (metric.dimensions.length === 0) return false
  const { rows } = await sql<{ found: boolean }>`
    SELECT EXISTS (SELECT ${fromRollups(viewer, metric, range)} AND s.dims_hash = '') AS found`.execute(
    db,
  )
  return rows[0]?.found ?? false
}

/** A bucket whose history is not counted yet may still change. */
export function isCounted(
  { completeSince }: ActiveMetric,
  { timestamp }: { timestamp: Instant },
): boolean {
  return completeSince === undefined || !isBefore(timestamp, completeSince)
}

/** Describes a result of a metric, beyond what describes every result. */
export function describeMetric(
  metric: ActiveMetric,
  info: ResultInfo,
  { range, isLimited }: { range: Range; isLimited: boolean },
): ResultInfo {
  const { name, version, completeSince } = metric
  const isPartial =
    info.source !== 'raw' && completeSince !== undefined && isBefore(range.start, completeSince)
  const { finalThrough, ...rest } = info
  return {
    ...rest,
    ...(finalThrough !== undefined && !isPartial && { finalThrough }),
    final: info.final && !isPartial,
    definition: { metric: name, kind: 'metric', version },
    ...(isLimited && { seriesLimit: METRIC_LIMITS.seriesMax }),
    ...(isPartial && { completeSince }),
  }
}
