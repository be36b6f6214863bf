import { LIMITS } from '../../../contract/limits.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { Ask } from '../consume/connection.ts'
import type { EventRow } from '../decode/decode.ts'

/**
 * Ids of series, made on first sight. They are made outside the batch's transaction: a series without
 * numbers does no harm, and no two batches can wait for each other's new rows.
 */
export interface SeriesDirectory {
  learn(rows: readonly EventRow[]): Promise<void>
  id(tenantId: number, metric: string): number
}

export function createSeriesDirectory(
  ask: Ask,
  entriesMax: number = LIMITS.seriesCacheEntriesMax,
): SeriesDirectory {
  let ids = new Map<number, Map<string, number>>()
  /** What was known until then; the batch before is being written by it while the next one learns. */
  let former: typeof ids = new Map()
  let size = 0

  function remember(tenantId: number, metric: string, id: number): void {
    const metrics = ids.get(tenantId) ?? new Map<string, number>()
    if (!metrics.has(metric)) size++
    ids.set(tenantId, metrics.set(metric, id))
  }

  return {
    async learn(rows) {
      if (size > entriesMax) {
        former = ids
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
        for (const [metric, id] of await findOrMake(ask, tenantId, [...metrics]))
          remember(tenantId, metric, id)
    },
    id(tenantId, metric) {
      const id = ids.get(tenantId)?.get(metric) ?? former.get(tenantId)?.get(metric)
      if (id === undefined) throw new Error(`a series of tenant ${tenantId} was never learnt`)
      return id
    },
  }
}

async function findOrMake(
  ask: Ask,
  tenantId: number,
  metrics: string[],
): Promise<Map<string, number>> {
  const found = await find(ask, tenantId, metrics)
  const missing = metrics.filter((metric) => !found.has(metric))
  if (missing.length === 0) return found

  const { rows } = await ask('SELECT count(*)::int AS count FROM series WHERE tenant_id = $1', [
    tenantId,
  ])
  const room = Math.max(0, LIMITS.eventNamesPerTenantMax - (rows[0]?.count as number))
  const admitted = missing.slice(0, room)
  const turnedAway = missing.slice(room)
  const toMake = turnedAway.length > 0 ? [...admitted, OTHER_METRIC] : admitted
  await ask(
    `INSERT INTO series (tenant_id, metric) SELECT $1, metric FROM unnest($2::text[]) metric
     ORDER BY metric ON CONFLICT DO NOTHING`,
    [tenantId, toMake],
  )
  for (const [metric, id] of await find(ask, tenantId, toMake)) found.set(metric, id)
  for (const metric of turnedAway) found.set(metric, found.get(OTHER_METRIC) as number)
  return found
}

async function find(ask: Ask, tenantId: number, metrics: string[]): Promise<Map<string, number>> {
  const { rows } = await ask(
    'SELECT metric, series_id FROM series WHERE tenant_id = $1 AND metric = ANY ($2)',
    [tenantId, metrics],
  )
  return new Map(rows.map((row) => [row.metric as string, row.series_id as number]))
}
