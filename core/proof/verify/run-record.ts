import type pg from 'pg'
import { CHANNELS } from '../../db/channels.ts'
import type { PartResult, VerifyReport } from './difference.ts'
import type { VerifyContext } from './part.ts'

/** A verification as it is recorded: one that was stopped goes on with the parts that are not done. */
export interface VerifyRun {
  /** By the name of the part. */
  done: ReadonlyMap<string, PartResult>
  save(part: string, result: PartResult): Promise<void>
  /** Of everything, it also becomes the state that results name. */
  finish(report: FinishedReport): Promise<void>
}

export interface FinishedReport
  extends Pick<VerifyReport, 'clean' | 'differences' | 'moreDifferences' | 'notChecked'> {}

/** What is resumed after so long is begun again: what was clean then may not be now. */
const RESUME_HOURS = 12
const RUNS_KEPT = 100

export async function createRun(
  pool: Pick<pg.Pool, 'query'>,
  { fromMs, toMs, tenantId = 0, log }: VerifyContext,
  resume: boolean,
): Promise<VerifyRun> {
  const bound = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : null)
  const args = JSON.stringify({ from: bound(fromMs), to: bound(toMs), log: log !== undefined })
  const { rows: stopped } = resume
    ? await pool.query<{ id: string }>(
        `SELECT verification_id AS id FROM verification
          WHERE finished_at IS NULL AND tenant_id = $1 AND arguments = $2::jsonb
            AND started_at > clock_timestamp() - interval '${RESUME_HOURS} hours'
            AND verification_id > coalesce((SELECT max(verification_id) FROM verification
                                             WHERE finished_at IS NOT NULL AND tenant_id = $1 AND arguments = $2::jsonb), 0)
          ORDER BY verification_id DESC LIMIT 1`,
        [tenantId, args],
      )
    : { rows: [] }
  const id = stopped[0]?.id ?? (await insertRun(pool, tenantId, args))
  const { rows } = await pool.query<{ part: string; result: PartResult }>(
    'SELECT part, result FROM verification_part WHERE verification_id = $1',
    [id],
  )
  return {
    done: new Map(rows.map(({ part, result }) => [part, result])),
    async save(part, result) {
      await pool.query(
        `INSERT INTO verification_part (verification_id, part, result) VALUES ($1, $2, $3)
         ON CONFLICT (verification_id, part) DO UPDATE SET result = EXCLUDED.result`,
        [id, part, JSON.stringify(result)],
      )
    },
    async finish(report) {
      const differences = report.differences.length + report.moreDifferences
      const isOfEverything =
        tenantId === 0 && log && !Number.isFinite(fromMs) && !Number.isFinite(toMs)
      if (isOfEverything) await saveState(pool, id, report)
      await pool.query(
        `WITH gone AS (DELETE FROM verification_part WHERE verification_id = $1)
         UPDATE verification SET finished_at = clock_timestamp(), differences = $2 WHERE verification_id = $1`,
        [id, differences],
      )
    },
  }
}

async function insertRun(
  pool: Pick<pg.Pool, 'query'>,
  tenantId: number,
  args: string,
): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    `WITH gone AS (
       DELETE FROM verification WHERE verification_id <= (
         SELECT verification_id FROM verification ORDER BY verification_id DESC OFFSET ${RUNS_KEPT} LIMIT 1)
     )
     INSERT INTO verification (tenant_id, arguments) VALUES ($1, $2) RETURNING verification_id AS id`,
    [tenantId, args],
  )
  return rows[0]?.id as string
}

/**
 * Up to when everything is verified: to the minute in which the run began, or to the first difference before it; NULL
 * where that is not known. Cached results name the former state, so all of them are read again.
 */
async function saveState(
  pool: Pick<pg.Pool, 'query'>,
  id: string,
  { clean, differences, moreDifferences, notChecked }: FinishedReport,
): Promise<void> {
  const buckets = differences.map(({ bucket }) => bucket)
  const isKnown = notChecked.length === 0 && moreDifferences === 0 && !buckets.includes(null)
  await pool.query(
    `WITH state AS (
       UPDATE verification_state SET finished_at = clock_timestamp(), is_clean = $2, differences = $3,
              through = CASE WHEN $4 THEN least(date_trunc('minute', (SELECT started_at FROM verification WHERE verification_id = $1)),
                                                (SELECT min(b) FROM unnest($5::timestamptz[]) b)) END
     ), gone AS (
       -- The comparison of a single bucket may take too long, and then it would stay for ever.
       DELETE FROM rollup_difference
        WHERE $2 AND checked_at < (SELECT started_at FROM verification WHERE verification_id = $1)
     )
     SELECT pg_notify('${CHANNELS.changedBuckets}', '')`,
    [id, clean, differences.length + moreDifferences, isKnown, buckets],
  )
}
