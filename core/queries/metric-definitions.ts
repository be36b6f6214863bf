import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import type { StoredMetric } from '../metrics/compile-metric.ts'
import { METRIC_COLUMNS, readMetric } from '../metrics/stored-metrics.ts'
import { ceilBucket15m, type Instant } from './instant.ts'
import type { QueryResult } from './query-result.ts'
import { completeSinceOf } from './sql/declared-metric.ts'

/** How far the history of a metric is counted. */
export interface BackfillProgress {
  daysTotal: number
  daysDone: number
  /** From before the activation, counted so far. */
  events: number
}

export interface ListedMetric extends Omit<StoredMetric, 'metricId' | 'tenantId'> {
  version: number
  activatedAt: Instant
  state: 'BACKFILLING' | 'ACTIVE'
  backfill: BackfillProgress
  /** Buckets from then on have all events; null: all buckets. */
  completeSince: Instant | null
  /** Combinations of dimension values that are counted apart. */
  series: number
}

/** The tenant's declared metrics, or the one of this name. */
export async function metricDefinitions(
  db: Database,
  viewer: TenantViewer,
  { name }: { name?: string | null | undefined },
): Promise<QueryResult<ListedMetric>> {
  const wanted = name?.normalize('NFC').trim() ?? null
  const { rows } = await sql<Record<string, unknown>>`
    SELECT ${sql.raw(METRIC_COLUMNS)}, version, activated_at, ${completeSinceOf(sql`d`)} AS complete_since,
           b.days_total, b.days_done, b.counted,
           (SELECT count(*) FROM metric_series s WHERE s.metric_id = d.metric_id AND s.dims IS NOT NULL AND s.retired_on IS NULL) AS series
      FROM metric_definition d
     CROSS JOIN LATERAL (
       SELECT count(*) AS days_total, count(completed_at) AS days_done, coalesce(sum(events), 0)::bigint AS counted
         FROM metric_backfill f WHERE f.metric_id = d.metric_id) b
     WHERE tenant_id = ${viewer.tenantId} AND retired_at IS NULL AND (${wanted}::text IS NULL OR name = ${wanted})
     ORDER BY name`.execute(db)
  return { rows: rows.map(toListed), source: 'rollup', dependencies: null }
}

function toListed(row: Record<string, unknown>): ListedMetric {
  const { metricId: _, tenantId: __, ...definition } = readMetric(row)
  const backfill = {
    daysTotal: row.days_total as number,
    daysDone: row.days_done as number,
    events: row.counted as number,
  }
  const since = row.complete_since as Instant | null
  return {
    ...definition,
    version: row.version as number,
    activatedAt: row.activated_at as Instant,
    state: backfill.daysDone < backfill.daysTotal ? 'BACKFILLING' : 'ACTIVE',
    backfill,
    completeSince: since === null ? null : ceilBucket15m(since),
    series: row.series as number,
  }
}
