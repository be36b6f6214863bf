import type { DeadLetterFilter } from '../../dead-letters/filter.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import type { ExecuteQuery } from '../consume/connection.ts'

/** A job that is not ended, as its next step finds it. */
export interface OpenJob {
  id: string
  tenantId: number
  /** The tenant's name. */
  tenant: string
  filter: DeadLetterFilter
  patch: string | null
  author: JobAuthor
  lastId: string
  cursorAt: string
  cursorId: string
  processed: number
  reasons: Record<string, number>
  examples: JobExample[]
}

/** As core/identity/audit has it. */
export type JobAuthor = { kind: string; personId?: number }

/** Nothing of an event's content: the job is kept for longer than it. */
export interface JobExample {
  id: string
  outcome: Outcome
  /** Why it stays a dead letter. */
  code?: string
  detail?: string
}

export type Outcome = 'stored' | 'duplicate' | 'conflicting' | 'dead' | 'refused'

export interface DeadLetterOutcome extends JobExample {
  /** Of the job's next step. */
  cursor: { at: string; id: string }
}

/** The one that waited for longest, so that tenants take turns. */
export async function findNextJob(execute: ExecuteQuery): Promise<OpenJob | undefined> {
  const { rows } = await execute(
    `SELECT j.job_id::text AS id, j.tenant_id AS "tenantId", t.slug AS tenant, j.filter, j.patch,
            j.author, j.last_id::text AS "lastId", j.cursor_at::text AS "cursorAt", j.cursor_id::text AS "cursorId",
            j.processed::float8 AS processed, j.reasons, j.examples
       FROM dead_letter_job j JOIN tenant t USING (tenant_id) WHERE j.state IN ('queued', 'running')
      ORDER BY j.stepped_at NULLS FIRST, j.job_id LIMIT 1`,
    [],
  )
  return rows[0] as unknown as OpenJob | undefined
}

/**
 * What a step did, in its transaction.
 * @returns false where the job was ended meanwhile: then nothing of the step may be kept
 */
export async function saveStep(
  execute: ExecuteQuery,
  job: OpenJob,
  outcomes: readonly DeadLetterOutcome[],
  isLast: boolean,
): Promise<boolean> {
  const count = (outcome: Outcome) => outcomes.filter((each) => each.outcome === outcome).length
  const last = outcomes.at(-1)?.cursor
  const { rows } = await execute(
    `UPDATE dead_letter_job SET state = CASE WHEN $2 THEN 'done' ELSE 'running' END, started_at = coalesce(started_at, clock_timestamp()),
            stepped_at = clock_timestamp(), finished_at = CASE WHEN $2 THEN clock_timestamp() END,
            cursor_at = $3::timestamptz, cursor_id = $4, processed = processed + $5, stored = stored + $6, duplicates = duplicates + $7,
            conflicting = conflicting + $8, dead = dead + $9, refused = refused + $10, reasons = $11::jsonb, examples = $12::jsonb
      WHERE job_id = $1 AND state IN ('queued', 'running') RETURNING 1`,
    [
      ...[job.id, isLast, last?.at ?? job.cursorAt, last?.id ?? job.cursorId, outcomes.length],
      ...[count('stored'), count('duplicate'), count('conflicting'), count('dead')],
      count('refused'),
      JSON.stringify(addReasons(job.reasons, outcomes)),
      JSON.stringify(addExamples(job.examples, outcomes)),
    ],
  )
  return rows.length > 0
}

function addReasons(
  reasons: Readonly<Record<string, number>>,
  outcomes: readonly DeadLetterOutcome[],
): Record<string, number> {
  const counts = new Map(Object.entries(reasons))
  for (const { code } of outcomes) {
    if (code === undefined) continue
    const known = counts.has(code) || counts.size < WORKBENCH_LIMITS.reasonsMax ? code : 'OTHER'
    counts.set(known, (counts.get(known) ?? 0) + 1)
  }
  return Object.fromEntries(counts)
}

/** One for each outcome and code first. */
function addExamples(
  examples: readonly JobExample[],
  outcomes: readonly DeadLetterOutcome[],
): JobExample[] {
  const all = [...examples]
  const kindOf = ({ outcome, code = '' }: JobExample) => `${outcome} ${code}`
  const has = new Map<string, number>()
  for (const each of all) has.set(kindOf(each), (has.get(kindOf(each)) ?? 0) + 1)
  for (const { cursor: _, ...example } of outcomes) {
    if (all.length >= WORKBENCH_LIMITS.examplesMax) break
    const count = has.get(kindOf(example)) ?? 0
    if (count >= EXAMPLES_OF_A_KIND) continue
    has.set(kindOf(example), count + 1)
    all.push(example)
  }
  return all
}

const EXAMPLES_OF_A_KIND = 3

/** In place of its next step. */
export async function stopJob(execute: ExecuteQuery, job: OpenJob, error: string): Promise<void> {
  await execute(
    `UPDATE dead_letter_job SET state = 'stopped', error = $2, finished_at = clock_timestamp()
      WHERE job_id = $1 AND state IN ('queued', 'running')`,
    [job.id, error],
  )
}

/** After a step that failed: the jobs of others are next. */
export async function postponeJob(execute: ExecuteQuery, job: OpenJob): Promise<void> {
  await execute('UPDATE dead_letter_job SET stepped_at = clock_timestamp() WHERE job_id = $1', [
    job.id,
  ])
}
