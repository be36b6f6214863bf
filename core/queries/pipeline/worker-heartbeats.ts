import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

export interface WorkerHeartbeat {
  worker: string
  /** Seconds since the last heartbeat. */
  ageSeconds: number
  /** Batches written since the worker started, and the time they took. */
  batches: number
  batchMs: number
}

/** Every worker that is known; all tenants share them, so it takes no viewer. */
export async function readHeartbeats(db: Database): Promise<WorkerHeartbeat[]> {
  const { rows } = await sql<WorkerHeartbeat>`
    SELECT worker_id AS worker, extract(epoch FROM now() - beat_at)::float8 AS "ageSeconds", batches,
           batch_ms AS "batchMs"
      FROM worker_heartbeat`.execute(db)
  return rows
}
