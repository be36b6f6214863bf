import { LIMITS } from '../../../contract/limits.ts'
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
  /** The ids before the last reset; the batch before is being written by them while the next one learns. */
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
        const metrics = unknown.get(tenantId)
        if (metrics) metrics.add(metric)
        else unknown.set(tenantId, new Set([metric]))
      }
      for (const [tenantId, metrics] of unknown)
        for (const [metric, id] of await findOrCreate(execute, tenantId, [...metrics]))
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

async function findOrCreate(
  execute: ExecuteQuery,
  tenantId: number,
  metrics: string[],
): Promise<Map<string, number>> {
  const found = await find(execute, tenantId, metrics)
  const missing = metrics.filter((metric) => !found.has(metric))
  if (missing.length === 0) return found

  const { rows } = await execute('SELECT count(*)::int AS count FROM series WHERE tenant_id = $1', [
    tenantId,
  ])
  const free = Math.max(0, LIMITS.eventNamesPerTenantMax - (rows[0]?.count as number))
  const admitted = missing.slice(0, free)
  const overLimit = missing.slice(free)
  const toCreate = overLimit.length > 0 ? [...admitted, OTHER_METRIC] : admitted
  await execute(
    `INSERT INTO series (tenant_id, metric) SELECT $1, metric FROM unnest($2::text[]) metric
     ORDER BY metric ON CONFLICT DO NOTHING`,
    [tenantId, toCreate],
  )
  for (const [metric, id] of await find(execute, tenantId, toCreate)) found.set(metric, id)
  for (const metric of overLimit) found.set(metric, found.get(OTHER_METRIC) as number)
  return found
}

async function find(
  execute: ExecuteQuery,
  tenantId: number,
  metrics: string[],
): Promise<Map<string, number>> {
  const { rows } = await execute(
    'SELECT metric, series_id FROM series WHERE tenant_id = $1 AND metric = ANY ($2)',
    [tenantId, metrics],
  )
  return new Map(rows.map((row) => [row.metric as string, row.series_id as number]))
}
