import type { ExecuteQuery } from './execute-query.ts'

/** A process that has not renewed it for so long counts no more. */
const LEASE_S = 10

/**
 * Takes or renews the lease of the counting process, by Postgres' clock. A clock that was set back leaves a time that
 * has not come; it counts as expired, too.
 * @returns whether it is this one's
 */
export async function holdCountLease(execute: ExecuteQuery, holder: string): Promise<boolean> {
  const { rows } = await execute(
    `INSERT INTO log_count_lease AS l (holder, beat_at) VALUES ($1, clock_timestamp())
     ON CONFLICT (only_row) DO UPDATE SET holder = EXCLUDED.holder, beat_at = EXCLUDED.beat_at
      WHERE l.holder = EXCLUDED.holder
         OR abs(extract(epoch FROM EXCLUDED.beat_at - l.beat_at)) > $2
     RETURNING holder`,
    [holder, LEASE_S],
  )
  return rows.length > 0
}

export async function releaseCountLease(execute: ExecuteQuery, holder: string): Promise<void> {
  await execute('DELETE FROM log_count_lease WHERE holder = $1', [holder])
}
