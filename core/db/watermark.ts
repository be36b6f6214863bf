import { type RawBuilder, sql } from 'kysely'
import { TOPICS } from '../../contract/log/topics.ts'

/**
 * `watermark.highest_at` moves in steps of a minute: one row a tenant and minute instead of one a tenant and batch. For
 * a lateness of whole minutes no bucket becomes final later by it; other ends become final up to a minute later.
 */
export const WATERMARK_STEP_MS = 60_000

/**
 * A tenant's watermark as an SQL expression: what ends before it is final. It is the highest time of any event, and
 * never later than what every partition was applied through (an event that still waits in one of them is not late),
 * less the tenant's allowed lateness. NULL without events, and until each partition was applied once.
 *
 * It is computed from what is published alone: no batch in flight has seen less (core/worker/write/finality.ts).
 */
export function watermark(tenantId: number): RawBuilder<Date | null> {
  return sql.raw<Date | null>(watermarkSql(String(Math.trunc(tenantId))))
}

/** The same as text. @param tenantId as SQL; not of a row `t` */
export function watermarkSql(tenantId: string): string {
  return `(
    SELECT greatest(CASE WHEN w.highest_at IS NOT NULL AND f.published_applied_through IS NOT NULL
                         THEN least(w.highest_at, f.published_applied_through) - make_interval(secs => l.lateness_s) END,
                    t.final_floor)
      FROM tenant t
      JOIN finality f ON f.topic = '${TOPICS.raw.name}'
     CROSS JOIN LATERAL (
       SELECT max(CASE WHEN ${publishedSql('m.moved_xid')} THEN m.highest_at ELSE m.published_highest_at END) AS highest_at
         FROM watermark m WHERE m.tenant_id = t.tenant_id) w
     CROSS JOIN LATERAL (
       SELECT CASE WHEN ${publishedSql('t.lateness_xid')} THEN t.allowed_lateness_s
                   ELSE greatest(t.allowed_lateness_s, t.former_lateness_s) END AS lateness_s) l
     WHERE t.tenant_id = ${tenantId})`
}

/**
 * The highest watermark that any batch may go by, as an SQL expression of a row `t` of `tenant`: at least what any
 * reader was told until now.
 */
export function batchWatermark(): RawBuilder<Date | null> {
  return sql<Date | null>`(
    SELECT least(max(w.highest_at), ${sql.raw(appliedThrough(`'${TOPICS.raw.name}'`))}) - make_interval(secs => t.allowed_lateness_s)
      FROM watermark w WHERE w.tenant_id = t.tenant_id HAVING max(w.highest_at) IS NOT NULL)`
}

/**
 * Up to when the log was applied as a batch sees it, as SQL. A partition that is not known yet holds back readers alone.
 * @param topic as an SQL literal
 */
export function appliedThrough(topic: string): string {
  return `greatest((SELECT min(applied_through) FROM log_lease WHERE topic = ${topic}),
                   (SELECT greatest(pending_applied_through, published_applied_through) FROM finality WHERE topic = ${topic}))`
}

/** Whether every batch in flight has seen what this transaction wrote; `f` is the row of `finality`. */
export function isPublished(xid: string): RawBuilder<unknown> {
  return sql.raw(publishedSql(xid))
}

function publishedSql(xid: string): string {
  return `(${xid} IS NULL OR pg_visible_in_snapshot(${xid}, f.published_snapshot))`
}
