import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

export interface OffsetGapCount {
  topic: string
  partition: number
  gaps: number
  /** Records that were dropped from the log before they were read. */
  records: number
  /** Gaps that no operator has skipped yet. */
  open: number
}

/** Offset gaps since the beginning, by partition. All tenants share the log, so it takes no viewer. */
export async function countOffsetGaps(db: Database): Promise<OffsetGapCount[]> {
  const { rows } = await sql<OffsetGapCount>`
    SELECT topic, partition, count(*) AS gaps, sum(greatest(available - expected, 0))::bigint AS records,
           count(*) FILTER (WHERE skipped_at IS NULL) AS open
      FROM offset_gap GROUP BY 1, 2`.execute(db)
  return rows
}
