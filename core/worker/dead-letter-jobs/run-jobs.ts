import type pg from 'pg'
import { LOCKS } from '../../db/locks.ts'
import type { DatabaseRoles } from '../../db/roles.ts'
import { mayReplay } from '../../dead-letters/job-author.ts'
import { parsePatch } from '../../dead-letters/json-patch.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/logger.ts'
import { pause } from '../../lib/pause.ts'
import { connect, disconnect, type ExecuteQuery, readDatabaseMs } from '../consume/connection.ts'
import { classifyFailure } from '../consume/failure.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import { findOldestDay } from '../replay/oldest-day.ts'
import { decodeCorrected } from './decode-corrected.ts'
import { findNextJob, type OpenJob, postponeJob, saveStep, stopJob } from './job.ts'
import { planStep } from './plan-step.ts'
import { readDeadLetters, readRules } from './read-dead-letters.ts'

export interface JobRunnerDeps {
  databaseUrl: string
  databaseRole?: DatabaseRoles['write'] | undefined
  /** For look-ups beside the connection that does the work. */
  pool: pg.Pool
  logger: Logger
  retentionDays?: number | undefined
}

/** Steps in a row that may fail before their job is stopped; a database that is away stops none. */
const FAILURES_MAX = 5

/**
 * Does the jobs of the dead-letter workbench until `signal` aborts, one step after the other: whoever dies in the middle
 * of a step has done nothing of it, and another worker goes on. One worker at a time, which rests between two steps for as
 * long as the last one took: ingest goes first.
 */
export async function runDeadLetterJobs(deps: JobRunnerDeps, signal: AbortSignal): Promise<void> {
  const { pool, logger } = deps
  let client: pg.Client | undefined
  let failures = 0
  const close = async () => {
    if (client) await disconnect(client)
    client = undefined
  }
  while (!signal.aborted) {
    let job: OpenJob | undefined
    try {
      const { rows } = await pool.query<{ open: boolean }>(
        `SELECT EXISTS (SELECT FROM dead_letter_job WHERE state IN ('queued', 'running')) AS open`,
      )
      if (rows[0]?.open) client ??= await acquire(deps)
      else await close()
      if (!client) {
        await pause(WORKBENCH_LIMITS.pollMs, signal)
        continue
      }
      const connection = client
      const execute: ExecuteQuery = (text, values) => connection.query(text, values)
      job = await findNextJob(execute)
      const began = performance.now()
      if (job) await step(deps, { client, execute, job })
      failures = 0
      await pause(job ? performance.now() - began : WORKBENCH_LIMITS.pollMs, signal)
    } catch (error) {
      await close()
      failures++
      logger.warn({ error: String(error), job: job?.id }, 'a dead-letter job failed, retrying')
      const execute: ExecuteQuery = (text, values) => pool.query(text, values)
      if (job && failures >= FAILURES_MAX && !mayPass(error)) {
        await stopJob(execute, job, 'INTERNAL').catch(() => {})
        failures = 0
      } else if (job) await postponeJob(execute, job).catch(() => {})
      await pause(backoffMs(failures, { baseMs: 100, maxMs: WORKBENCH_LIMITS.retryMs }), signal)
    }
  }
  await close()
}

/** A statement that takes too long takes as long again. */
function mayPass(error: unknown): boolean {
  const isSlow = (error as { code?: unknown } | null)?.code === '57014'
  return !isSlow && !['unknown', 'row'].includes(classifyFailure(error))
}

/** @returns undefined where another worker does the jobs */
async function acquire({
  databaseUrl,
  databaseRole,
}: JobRunnerDeps): Promise<pg.Client | undefined> {
  const client = await connect(databaseUrl, 'dead-letter jobs', databaseRole)
  try {
    const { rows } = await client.query<{ acquired: boolean }>(
      'SELECT pg_try_advisory_lock($1) AS acquired',
      [LOCKS.deadLetterJobs.key],
    )
    if (rows[0]?.acquired) return client
  } catch (error) {
    await disconnect(client)
    throw error
  }
  await disconnect(client)
  return undefined
}

interface StepContext {
  client: pg.Client
  execute: ExecuteQuery
  job: OpenJob
}

async function step(
  { pool, retentionDays }: JobRunnerDeps,
  { client, execute, job }: StepContext,
): Promise<void> {
  if (!(await mayReplay(execute, job.tenantId, job.author)))
    return stopJob(execute, job, 'FORBIDDEN')
  const deadLetters = await readDeadLetters(execute, job)
  if (deadLetters.length === 0) {
    await saveStep(execute, job, [], true)
    return
  }
  const tenants = createTenants(execute)
  await tenants.learn([job.tenant])
  const decoded = decodeCorrected(deadLetters, {
    ...{ job, tenants },
    patch: job.patch === null ? undefined : parsePatch(job.patch),
    rules: await readRules(execute, job.tenantId, deadLetters),
    nowMs: await readDatabaseMs(execute),
    // In every step: midnight passes, and workers drop days meanwhile.
    oldestDay: await findOldestDay(pool, execute, retentionDays),
  })
  await saveStep(execute, job, await planStep(client, decoded), false)
}
