import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'

/**
 * Whether every record is applied that the log took within the dedupe horizon of that day, in every partition, and no
 * log is being read again: else a duplicate of an event of that day might still come, and count. Nothing
 * is written into the day any more.
 */
export async function isApplied(
  client: Pick<pg.ClientBase, 'query'>,
  day: number,
): Promise<boolean> {
  const { rows } = await client.query<{ applied: boolean | null }>(
    `SELECT bool_and(coalesce(l.applied_through >= (date '1970-01-01' + $2::int) AT TIME ZONE 'UTC', false)
                     AND (p.reread_until IS NULL OR p.next_offset >= p.reread_until)) AS applied
       FROM log_position p LEFT JOIN log_lease l USING (topic, partition) WHERE p.topic = $1`,
    [TOPICS.raw.name, day + 1 + LIMITS.dedupeDays],
  )
  return rows[0]?.applied === true
}
