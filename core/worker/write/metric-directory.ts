import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import {
  type CompiledMetric,
  compileMetrics,
  type StoredMetric,
  type TenantMetrics,
} from '../../metrics/compile-metric.ts'
import { type AdmittedSeries, admitMetricSeries } from '../../metrics/metric-series.ts'
import { METRIC_COLUMNS, readMetric } from '../../metrics/stored-metrics.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import type { FinalityByTenant } from './finality.ts'
import { type GroupsByMetric, type MetricSum, mergeSums } from './metric-sums.ts'

/**
 * The declared metrics of tenants and their series. Definitions are read in the transaction of the batch, after it has
 * locked its positions, and only where the tenant's version is another one than last time: the version came with what
 * the batch reads anyway. Series are created outside of it, as those of names (series.ts).
 */
export interface MetricDirectory {
  /** @returns whether a tenant of the batch has metrics */
  load(client: pg.ClientBase, finality: FinalityByTenant): Promise<boolean>
  of(tenantId: number): TenantMetrics | undefined
  /** The sums by series, in the order of their key. */
  resolve(groups: GroupsByMetric): Promise<MetricSum[]>
}

interface KnownSeries extends AdmittedSeries {
  untilMs: number
}

/** How long a combination beyond the limit is not asked about again; room for it comes once a day. */
const SHARED_MS = 60_000

export function createMetricDirectory(
  execute: ExecuteQuery,
  { entriesMax = LIMITS.seriesCacheEntriesMax as number, now = Date.now } = {},
): MetricDirectory {
  const tenants = new Map<number, TenantMetrics>()
  let series = new Map<number, Map<string, KnownSeries>>()
  let size = 0

  async function load(client: pg.ClientBase, finality: FinalityByTenant): Promise<boolean> {
    let has = false
    const changed: number[] = []
    for (const [tenantId, { metricsVersion = 0 }] of finality) {
      if (metricsVersion === 0) continue
      has = true
      if (tenants.get(tenantId)?.version !== metricsVersion) changed.push(tenantId)
    }
    if (tenants.size > LIMITS.tenantCacheEntriesMax) {
      tenants.clear()
      return load(client, finality)
    }
    if (changed.length > 0)
      for (const [tenantId, metrics] of await readMetrics(client, changed))
        tenants.set(tenantId, metrics)
    return has
  }

  function remember(metricId: number, key: string, admitted: AdmittedSeries): void {
    const known = series.get(metricId) ?? new Map<string, KnownSeries>()
    series.set(metricId, known)
    if (!known.has(key)) size++
    // Asked about again every day, so that Postgres knows that it is in use.
    known.set(key, { ...admitted, untilMs: now() + (admitted.isShared ? SHARED_MS : DAY_MS / 2) })
  }

  async function idsOf(metric: CompiledMetric, groups: ReadonlyMap<string, { dims: unknown }>) {
    const known = series.get(metric.metricId)
    const ids = new Map<string, number>()
    const unknown: string[] = []
    for (const key of groups.keys()) {
      const found = known?.get(key)
      if (found && found.untilMs > now()) ids.set(key, found.id)
      else unknown.push(key)
    }
    if (unknown.length === 0) return ids
    const wanted = unknown.map((key) => (groups.get(key) as { dims: string[] }).dims)
    const admitted = await admitMetricSeries(execute, metric, wanted)
    unknown.forEach((key, i) => {
      const found = admitted[i] as AdmittedSeries
      ids.set(key, found.id)
      remember(metric.metricId, key, found)
    })
    return ids
  }

  return {
    load,
    of: (tenantId) => tenants.get(tenantId),
    async resolve(groups) {
      if (size > entriesMax) {
        series = new Map()
        size = 0
      }
      const sums: MetricSum[] = []
      for (const [metric, byKey] of groups) {
        const ids = await idsOf(metric, byKey)
        for (const [key, { buckets }] of byKey)
          for (const sum of buckets.values())
            sums.push({ ...sum, seriesId: ids.get(key) as number })
      }
      return mergeSums(sums)
    },
  }
}

/** Of these tenants, with the version that they belong to: one statement reads both. */
async function readMetrics(
  client: pg.ClientBase,
  tenantIds: readonly number[],
): Promise<Map<number, TenantMetrics>> {
  const { rows } = await client.query(
    `SELECT t.tenant_id, t.metrics_version, d.*
       FROM tenant t
       LEFT JOIN LATERAL (
         SELECT ${METRIC_COLUMNS.replace('tenant_id, ', '')} FROM metric_definition
          WHERE tenant_id = t.tenant_id AND retired_at IS NULL ORDER BY metric_id) d ON true
      WHERE t.tenant_id = ANY ($1)`,
    [tenantIds],
  )
  const found = new Map<number, { version: number; metrics: StoredMetric[] }>()
  for (const row of rows) {
    const tenantId = Number(row.tenant_id)
    const tenant = found.get(tenantId) ?? { version: Number(row.metrics_version), metrics: [] }
    found.set(tenantId, tenant)
    if (row.metric_id !== null) tenant.metrics.push(readMetric(row))
  }
  return new Map(
    [...found].map(([id, { version, metrics }]) => [id, compileMetrics(version, metrics)]),
  )
}
