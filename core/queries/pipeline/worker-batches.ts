import type { Database } from '../../db/database.ts'

/**
 * Batches that each live worker has written since it started, and the time they took. All tenants share the workers,
 * so it takes no viewer.
 */
export async function readBatches(
  db: Database,
): Promise<Map<string, { batches: number; ms: number }>> {
  const rows = await db
    .selectFrom('worker_heartbeat')
    .select(['worker_id', 'batches', 'batch_ms'])
    .execute()
  return new Map(rows.map((row) => [row.worker_id, { batches: row.batches, ms: row.batch_ms }]))
}
