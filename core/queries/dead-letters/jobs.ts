import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'

/** A plan of what a correction would do, and how far it is. */
export interface DeadLetterJob {
  id: string
  state: 'queued' | 'running' | 'done' | 'cancelled' | 'stopped'
  filter: Record<string, unknown>
  patch: string | null
  patchSha256: string | null
  createdAt: Instant
  startedAt: Instant | null
  finishedAt: Instant | null
  /** How many were open when it began. */
  total: number
  processed: number
  /** Would be. */
  stored: number
  duplicates: number
  conflicting: number
  /** Still dead. */
  dead: number
  refused: number
  reasons: { code: string; count: number }[]
  examples: { id: string; outcome: string; code?: string; detail?: string }[]
  error: string | null
}

/** A tenant's jobs, the newest first; or the one with this id. */
export async function deadLetterJobs(
  db: Database,
  viewer: TenantViewer,
  { id }: { id?: string | null },
): Promise<QueryResult<DeadLetterJob>> {
  const result = { source: 'raw', dependencies: null } as const
  if (id != null && !/^\d{1,18}$/.test(id)) return { ...result, rows: [] }
  const { rows } = await sql<Omit<DeadLetterJob, 'reasons'> & { reasons: Record<string, number> }>`
    SELECT job_id::text AS id, state, filter, patch, patch_hash AS "patchSha256", created_at AS "createdAt",
           started_at AS "startedAt", finished_at AS "finishedAt", total::float8 AS total, processed::float8 AS processed,
           stored::float8 AS stored, duplicates::float8 AS duplicates, conflicting::float8 AS conflicting, dead::float8 AS dead,
           refused::float8 AS refused, reasons, examples, error
      FROM dead_letter_job
     WHERE tenant_id = ${viewer.tenantId} ${id == null ? sql`` : sql`AND job_id = ${id}::bigint`}
     ORDER BY job_id DESC LIMIT ${WORKBENCH_LIMITS.jobsPageMax}`.execute(db)
  return {
    ...result,
    rows: rows.map((job) => ({
      ...job,
      reasons: Object.entries(job.reasons).map(([code, count]) => ({ code, count })),
    })),
  }
}
