import { type RawBuilder, sql } from 'kysely'
import { TOPICS } from '../../../contract/log/topics.ts'

/**
 * A tenant's watermark as an SQL expression: what ends before it is final. It is the highest time of any event, and
 * never later than what every partition was applied through (an event that still waits in one of them is not late),
 * less the tenant's allowed lateness. NULL without events, and while `applied_through` of a partition is not known.
 */
export function watermark(tenantId: number, allowedLatenessS: number): RawBuilder<Date | null> {
  return sql<Date | null>`(
    SELECT least(max(w.highest_at), log.applied_through) - make_interval(secs => ${allowedLatenessS})
      FROM watermark w,
           (SELECT min(applied_through) AS applied_through FROM log_lease
             WHERE topic = ${TOPICS.raw.name} HAVING bool_and(applied_through IS NOT NULL)) log
     WHERE w.tenant_id = ${tenantId} GROUP BY log.applied_through)`
}
