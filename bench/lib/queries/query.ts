import type { Database } from '../../../core/db/database.ts'
import type { TenantViewer } from '../../../core/identity/viewer.ts'
import type { MetricsInput } from '../../../core/queries/metrics/metrics-args.ts'

export interface BenchContext {
  db: Database
  viewer: TenantViewer
}

export interface BenchQuery {
  title: string
  /** Of the p95. */
  goalMs?: number
  /** The same through GraphQL and the result cache. */
  cachedGoalMs?: number
  /** What it names is estimated: the largest relative difference from the exact number. */
  tolerance?: number
  args?: MetricsInput
  /** @returns numbers by key, and what they were read from */
  run(context: BenchContext): Promise<{ values: Map<string, number>; source: string }>
  /** SELECTs of the same keys and numbers. */
  plain(dialect: Dialect): string[]
}

/** What differs between Postgres and DuckDB. */
export interface Dialect {
  event: string
  rollup: string
  property(name: string): string
  /** Of a time, the start of its bucket in seconds since 1970, as text. */
  bucket(unit: 'hour' | 'day', time: string, timeZone: string): string
  p95(value: string): string
}

export const POSTGRES: Dialect = {
  event: 'event e',
  rollup:
    '(SELECT r.bucket, s.metric AS name, r.count FROM series s JOIN rollup_15m r USING (tenant_id, series_id)) r',
  property: (name) => `(e.properties ->> '${name}')`,
  bucket: (unit, time, zone) =>
    `extract(epoch FROM date_trunc('${unit}', ${time}, '${zone}'))::bigint::text`,
  p95: (value) => `percentile_cont(0.95) WITHIN GROUP (ORDER BY ${value})`,
}

export const DUCKDB: Dialect = {
  event: 'event e',
  rollup: 'rollup r',
  property: (name) => `e.${name}`,
  bucket: (unit, time, zone) =>
    zone === 'UTC'
      ? `epoch(date_trunc('${unit}', ${time}))::bigint::varchar`
      : `epoch(timezone('${zone}', date_trunc('${unit}', timezone('${zone}', ${time}))))::bigint::varchar`,
  p95: (value) => `quantile_cont(${value}, 0.95)`,
}

export const at = (ms: number) => new Date(ms).toISOString()

export interface Month {
  startTime: string
  endTime: string
  /** SQL: events from that time to the end of the month. */
  within(fromMs: number): string
  startMs: number
}
