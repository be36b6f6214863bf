import { LIMITS } from '../../../contract/limits.ts'
import { LOCKS } from '../../db/locks.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import type { EventRow } from '../decode/decoded.ts'

/**
 * Ids of series, created on first use and outside the batch's transaction: a series without numbers does
 * no harm, and no two batches can wait for each other's new rows.
 */
export interface SeriesDirectory {
  learn(rows: readonly EventRow[]): Promise<void>
  id(tenantId: number, metric: string): number
}

export function createSeriesDirectory(
  execute: ExecuteQuery,
  entriesMax: number = LIMITS.seriesCacheEntriesMax,
): SeriesDirectory {
  let ids = new Map<number, Map<string, number>>()
  /**
   * The ids before the cache was full the last time. What is used moves back from here without a question, so names that
   * are made up once push out nothing but each other. The batch before is written by them while the next one learns.
   */
  let previous: typeof ids = new Map()
  let size = 0

  function remember(tenantId: number, metric: string, id: number): void {
    const metrics = ids.get(tenantId) ?? new Map<string, number>()
    if (!metrics.has(metric)) size++
    ids.set(tenantId, metrics.set(metric, id))
  }

  return {
    async learn(rows) {
      if (size > entriesMax) {
        previous = ids
        ids = new Map()
        size = 0
      }
      const unknown = new Map<number, Set<string>>()
      for (const { tenantId, event } of rows) {
        const metric = event.name
        if (ids.get(tenantId)?.has(metric)) continue
        const former = previous.get(tenantId)?.get(metric)
        if (former !== undefined) {
          remember(tenantId, metric, former)
          continue
        }
        const metrics = unknown.get(tenantId)
        if (metrics) metrics.add(metric)
        else unknown.set(tenantId, new Set([metric]))
      }
      if (unknown.size === 0) return
      for (const { tenantId, metric, id } of await find(execute, unknown)) {
        remember(tenantId, metric, id)
        unknown.get(tenantId)?.delete(metric)
      }
      for (const [tenantId, metrics] of unknown)
        if (metrics.size > 0)
          for (const [metric, id] of await admit(execute, tenantId, [...metrics]))
            remember(tenantId, metric, id)
    },
    id(tenantId, metric) {
      const id = ids.get(tenantId)?.get(metric) ?? previous.get(tenantId)?.get(metric)
      if (id === undefined)
        throw new Error(`a series of tenant ${tenantId} was not loaded before its batch`)
      return id
    },
  }
}

type UnknownMetrics = ReadonlyMap<number, ReadonlySet<string>>

/** One look-up, whatever the number of tenants. */
async function find(execute: ExecuteQuery, unknown: UnknownMetrics) {
  const pairs = [...unknown].flatMap(([tenantId, metrics]) =>
    [...metrics].map((metric) => ({ tenantId, metric })),
  )
  const { rows } = await execute(
    `SELECT s.tenant_id, s.metric, s.series_id
       FROM unnest($1::int[], $2::text[]) AS u (tenant_id, metric)
       JOIN series s ON s.tenant_id = u.tenant_id AND s.metric = u.metric`,
    [pairs.map(({ tenantId }) => tenantId), pairs.map(({ metric }) => metric)],
  )
  return rows.map((row) => ({
    tenantId: row.tenant_id as number,
    metric: row.metric as string,
    id: Number(row.series_id),
  }))
}

/**
 * Ids of names that had no series when they were looked up; those beyond the limit share one. Takes no id of the
 * sequence for a name that has one.
 */
async function admit(
  execute: ExecuteQuery,
  tenantId: number,
  metrics: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await execute('SELECT name, id FROM admit_series($1, $2, $3, $4, $5)', [
    LOCKS.series(tenantId).name,
    tenantId,
    metrics,
    OTHER_METRIC,
    LIMITS.eventNamesPerTenantMax,
  ])
  return new Map(rows.map((row) => [row.name as string, Number(row.id)]))
}
