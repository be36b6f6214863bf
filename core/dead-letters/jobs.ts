import { createHash } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { LOCKS } from '../db/locks.ts'
import { type AuditActor, recordAudit } from '../identity/audit/audit-log.ts'
import { ApiError } from '../lib/api-error.ts'
import type { DeadLetterFilter } from './filter.ts'
import { parsePatch } from './json-patch.ts'
import { WORKBENCH_LIMITS } from './limits.ts'
import { whereOf } from './where.ts'

export interface NewJob {
  filter: DeadLetterFilter
  /** JSON Patch, as JSON; without it events are read as they were sent. */
  patch?: string | null | undefined
}

/**
 * Begins a job over the open dead letters of a filter. A worker does it; the same job that is still open is not begun twice.
 * @returns its id
 * @throws BAD_USER_INPUT, TOO_MANY_JOBS
 */
export async function createJob(
  db: Database,
  tenantId: number,
  { filter, patch }: NewJob,
  by: AuditActor,
): Promise<string> {
  if (patch != null) parsePatch(patch)
  const patchHash = patch == null ? null : createHash('sha256').update(patch).digest('hex')
  const filterText = JSON.stringify(filter)
  return db.transaction().execute(async (tx) => {
    await sql`SELECT pg_advisory_xact_lock(hashtextextended(${LOCKS.newDeadLetterJob(tenantId).name}, 0))`.execute(
      tx,
    )
    const { rows: open } = await sql<{ id: string; same: boolean }>`
      SELECT job_id::text AS id, filter = ${filterText}::jsonb AND patch IS NOT DISTINCT FROM ${patch ?? null}::text AS same
        FROM dead_letter_job WHERE tenant_id = ${tenantId} AND state IN ('queued', 'running')`.execute(
      tx,
    )
    const same = open.find((job) => job.same)
    if (same) return same.id
    if (open.length >= WORKBENCH_LIMITS.openJobsMax) throw new ApiError('TOO_MANY_JOBS')
    const { rows } = await sql<{ id: string; total: number }>`
      INSERT INTO dead_letter_job (tenant_id, filter, patch, patch_hash, author, last_id, total)
      VALUES (${tenantId}, ${filterText}::jsonb, ${patch ?? null}, ${patchHash}, ${JSON.stringify(by)}::jsonb,
              (SELECT coalesce(max(dead_letter_id), 0) FROM dead_letter),
              (SELECT count(*) FROM (SELECT FROM dead_letter d WHERE d.tenant_id = ${tenantId} AND d.state = 'open' ${whereOf(filter)}
                                      LIMIT ${WORKBENCH_LIMITS.jobDeadLettersMax}) counted))
      RETURNING job_id::text AS id, total::float8 AS total`.execute(tx)
    const { id, total } = rows[0] as { id: string; total: number }
    await recordAudit(tx, by, {
      tenantId,
      action: 'dead-letters.job-begun',
      object: `dead-letter job ${id}`,
      after: { filter, patchSha256: patchHash, total },
    })
    return id
  })
}

/**
 * Ends a job. What it has committed stays; a step that is being committed is waited for, and is the last one.
 * @throws DEAD_LETTER_JOB_NOT_FOUND
 */
export async function cancelJob(
  db: Database,
  tenantId: number,
  jobId: string,
  by: AuditActor,
): Promise<void> {
  if (!/^\d{1,18}$/.test(jobId)) throw new ApiError('DEAD_LETTER_JOB_NOT_FOUND')
  await db.transaction().execute(async (tx) => {
    const { rows } = await sql<{ state: string; processed: number }>`
      SELECT state, processed::float8 AS processed FROM dead_letter_job
       WHERE tenant_id = ${tenantId} AND job_id = ${jobId}::bigint FOR UPDATE`.execute(tx)
    const [job] = rows
    if (!job) throw new ApiError('DEAD_LETTER_JOB_NOT_FOUND')
    if (job.state !== 'queued' && job.state !== 'running') return
    await sql`UPDATE dead_letter_job SET state = 'cancelled', finished_at = clock_timestamp() WHERE job_id = ${jobId}::bigint`.execute(
      tx,
    )
    await recordAudit(tx, by, {
      tenantId,
      action: 'dead-letters.job-cancelled',
      object: `dead-letter job ${jobId}`,
      after: { processed: job.processed },
    })
  })
}
