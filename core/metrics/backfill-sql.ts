import { LIMITS } from '../../contract/limits.ts'
import type { StoredMetric } from './compile-metric.ts'
import { readDimension } from './dimension.ts'
import { enrichmentSql } from './enrichment.ts'
import { METRIC_LIMITS } from './metric-limits.ts'

/** A part of a day of events, by when they were received; milliseconds since 1970. */
export interface BackfillSlice {
  table: string
  fromMs: number
  beforeMs: number
  /** The metric counts later ones itself. RFC 3339, with microseconds. */
  storedUntil: string
}

/** A bucket of a combination of dimension values; `dims` is null for those beyond the limit. */
export interface BackfillRow {
  bucket_ms: number
  dims: (string | null)[] | null
  count: number
  value_count: number
  sum: number
  min: number | null
  max: number | null
}

/** Counts the events of a slice as the worker would have (compile-metric.ts), the largest groups apart. */
export function backfillSql(metric: StoredMetric, slice: BackfillSlice) {
  const values: unknown[] = []
  const add = (value: unknown) => `$${values.push(value)}`
  const dims = metric.dimensions.map(
    (dimension) => `left(${textSql(dimension, add)}, ${METRIC_LIMITS.dimensionValueCharsMax})`,
  )
  const conditions = [
    `e.tenant_id = ${add(metric.tenantId)}`,
    `e.received_at >= to_timestamp(${add(slice.fromMs / 1000)}) AND e.received_at < to_timestamp(${add(slice.beforeMs / 1000)})`,
    `e.stored_at <= ${add(slice.storedUntil)}::timestamptz`,
    ...(metric.events ? [`e.name = ANY (${add(metric.events)}::text[])`] : []),
    ...metric.filters.map(
      (filter) => `${textSql(filter.dimension, add)} = ANY (${add(filter.in)}::text[])`,
    ),
  ]
  const text = `
    WITH groups AS (
      SELECT date_bin('15 minutes', e.occurred_at, 'epoch') AS bucket, ARRAY[${dims.join(', ')}]::text[] AS dims,
             count(*) AS count, count(v.value) AS value_count, coalesce(sum(v.value), 0) AS sum,
             min(v.value) AS min, max(v.value) AS max
        FROM ${slice.table} e CROSS JOIN LATERAL (SELECT ${numberSql(metric.value, add)} AS value) v
       WHERE ${conditions.join(' AND ')}
       GROUP BY 1, 2
    ), listed AS (
      SELECT dims FROM groups GROUP BY dims ORDER BY sum(count) DESC, dims LIMIT ${METRIC_LIMITS.seriesMax}
    )
    SELECT (extract(epoch FROM g.bucket) * 1000)::float8 AS bucket_ms, l.dims, sum(g.count)::float8 AS count,
           sum(g.value_count)::float8 AS value_count, sum(g.sum) AS sum, min(g.min) AS min, max(g.max) AS max
      FROM groups g LEFT JOIN listed l ON l.dims = g.dims
     GROUP BY g.bucket, l.dims
     LIMIT ${METRIC_LIMITS.backfillRowsMax + 1}`
  return { text, values }
}

type Add = (value: unknown) => string

/** A dimension of `event e`, as text. */
export function textSql(name: string, add: Add): string {
  const dimension = readDimension(name)
  if (dimension?.kind === 'column') return `e.${dimension.column}`
  if (dimension === undefined) return 'NULL::text'
  if (dimension.kind === 'enrichment') return enrichmentSql(dimension.field)
  const { key, path } = dimension
  const own = `e.properties ->> ${add(key)}::text`
  return path ? `coalesce(${own}, e.properties #>> ${add(path)}::text[])` : `(${own})`
}

/** The value of `event e`, or of its property where that is a number and a sum of many still fits a double. */
export function numberSql(name: string, add: Add): string {
  if (name === 'value') return 'e.value'
  const dimension = readDimension(name)
  if (dimension?.kind !== 'property') return 'NULL::float8'
  const own = `nullif(e.properties -> ${add(dimension.key)}::text, 'null')`
  const found = dimension.path
    ? `coalesce(${own}, e.properties #> ${add(dimension.path)}::text[])`
    : own
  return `(SELECT CASE WHEN jsonb_typeof(j) = 'number' AND abs(j::numeric) <= 1e${Math.log10(LIMITS.valueMax)} THEN j::float8 END
             FROM (SELECT ${found}) p (j))`
}
