import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { Instant } from '../instant.ts'

/** What is verified by itself, and by the last "sluice verify" of everything (core/proof/verify/watch). */
export interface VerificationState {
  /** When everything was recounted the last time; null: never. */
  finishedAt: Instant | null
  /** Nothing differed then, and everything could be compared; null: never recounted. */
  clean: boolean | null
  differences: number | null
  /** What was stored by then, in buckets before it, was recounted and was right; null where that is not known. */
  verifiedThrough: Instant | null
  /** When the newest rollups were compared with their events, and when all were; null: never. */
  sampledAt: Instant | null
  sweptAt: Instant | null
  /** Rollups that differ now. */
  rollupDifferences: number
  /** By Postgres' clock; null: never. */
  sampledSecondsAgo: number | null
  finishedSecondsAgo: number | null
}

/** The same time, in the statement and snapshot of a result; NULL where it is not known. */
export const verifiedThrough = sql<Instant | null>`(SELECT v.through FROM verification_state v)`

/** Of all tenants together, but for `rollupDifferences`, which are those that the connection may read. So it takes no viewer. */
export async function readVerification(db: Database): Promise<VerificationState> {
  const age = (column: string) =>
    sql`extract(epoch FROM clock_timestamp() - ${sql.ref(column)})::float8`
  const { rows } = await sql<VerificationState>`
    SELECT finished_at AS "finishedAt", is_clean AS clean, differences, through AS "verifiedThrough",
           sampled_at AS "sampledAt", swept_at AS "sweptAt", (SELECT count(*) FROM rollup_difference) AS "rollupDifferences",
           ${age('sampled_at')} AS "sampledSecondsAgo", ${age('finished_at')} AS "finishedSecondsAgo"
      FROM verification_state`.execute(db)
  return rows[0] as VerificationState
}
