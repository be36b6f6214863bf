import { sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { compileMetric } from '../../../metrics/compile-metric.ts'
import { decodeEnrichment } from '../../../metrics/enrichment.ts'
import { floorBucket15m, type Instant } from '../../instant.ts'
import { activeMetrics, isCounted } from '../../sql/declared-metric.ts'
import type { FoundEvent } from '../../sql/find-event.ts'

/** A number that has the event in it. */
export interface CountedBy {
  /** The name of the event, or of a declared metric. */
  metric: string
  kind: 'event' | 'metric'
  version: number
  /** Start of the 15-minute bucket, by when the event occurred. */
  bucket: Instant
}

/** The event's own name, and the declared metrics that accept it and have counted it, by their batch or afterwards. */
export async function countedBy(
  db: Database,
  viewer: TenantViewer,
  event: FoundEvent,
): Promise<CountedBy[]> {
  const bucket = floorBucket15m(event.occurred_at)
  const counted = {
    event: trackedEvent(event),
    enrichment: decodeEnrichment(event.enrichment),
  }
  const metrics = (await activeMetrics(db, viewer)).filter(
    (metric) =>
      (metric.events === undefined || metric.events.includes(event.name)) &&
      compileMetric(metric).accepts(counted),
  )
  const byBatch = metrics.length > 0 ? await countedByBatch(db, viewer, event) : new Set()
  return [
    { metric: event.name, kind: 'event', version: 1, bucket },
    ...metrics
      .filter((metric) => byBatch.has(metric.metricId) || isCounted(metric, { timestamp: bucket }))
      .map(({ name, version }) => ({ metric: name, kind: 'metric' as const, version, bucket })),
  ]
}

/** Metrics that were active when the event's batch was applied; the others count it once their history is counted. */
async function countedByBatch(
  db: Database,
  { tenantId }: TenantViewer,
  { log_partition, log_offset }: FoundEvent,
): Promise<Set<number>> {
  const { rows } = await sql<{ id: number }>`
    SELECT metric_id AS id FROM metric_definition
     WHERE tenant_id = ${tenantId} AND retired_at IS NULL
       AND coalesce((offsets ->> ${String(log_partition)})::bigint, 0) <= ${log_offset}`.execute(db)
  return new Set(rows.map(({ id }) => id))
}

function trackedEvent(event: FoundEvent) {
  const { actor, session, source, value, properties } = event
  return {
    event_id: event.event_id,
    name: event.name,
    occurred_at: event.occurred_at,
    properties,
    ...(actor !== null && { actor }),
    ...(session !== null && { session }),
    ...(source !== null && { source }),
    ...(value !== null && { value }),
  }
}
