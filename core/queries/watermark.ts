import { sql } from 'kysely'
import { TOPICS } from '../../contract/log/topics.ts'

/**
 * A tenant's time, less its allowed lateness, as an SQL expression: what ends before it is final. It is the highest time
 * of any event, and never later than what every partition was read up to: what still waits in one counts in time.
 * NULL without events, and while nobody knows of every partition how far it was read.
 */
export function watermark(tenantId: number, allowedLatenessS: number) {
  return sql<Date | null>`(
    SELECT least(max(w.highest_at), log.applied_through) - make_interval(secs => ${allowedLatenessS})
      FROM watermark w,
           (SELECT min(applied_through) AS applied_through FROM log_lease
             WHERE topic = ${TOPICS.raw.name} HAVING bool_and(applied_through IS NOT NULL)) log
     WHERE w.tenant_id = ${tenantId} GROUP BY log.applied_through)`
}
