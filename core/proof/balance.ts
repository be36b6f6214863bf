import { TOPICS } from '../../contract/log/topics.ts'
import type { ExecuteQuery } from './execute-query.ts'

/**
 * The balance sheet: what the independent reader counted in the log against what the workers recorded. For each tenant
 * and minute of receipt
 *
 *   accepted = stored + duplicates + conflicting + dead + in flight + unaccounted
 *
 * and unaccounted has to be 0. Positions decide what is in flight, not time: records that were counted, and that the
 * worker's position has not passed. All of it is one statement, and so of one snapshot.
 */
export interface BalanceMinute {
  tenantId: number
  /** RFC 3339. Of minutes that are older than LIMITS.outcomeMinuteDays nothing is compared. */
  minute: string
  accepted: number
  stored: number
  duplicates: number
  /** Duplicates whose content differs from that of the first. */
  conflicting: number
  dead: number
  inFlight: number
  /** Records without an outcome; below zero: outcomes without a record. 0 before the reader has begun. */
  unaccounted: number
}

export interface BalanceArgs {
  /** Whole minutes, in milliseconds since 1970; half-open. */
  fromMs: number
  toMs: number
  /** All tenants unless set; 0 for records that name no tenant that exists. */
  tenantId?: number
  /** Minutes that do not add up, or that have records in flight, alone. */
  onlyOpen?: boolean
  rowsMax: number
}

/** The log's state of counting, in the snapshot of the minutes. */
export interface CountState {
  /** The reader has begun. */
  hasBegun: boolean
  /** Records that workers have applied and that are not counted yet, of all tenants. */
  uncounted: number
  /** Minutes before it may lack records that were not counted: an outcome more is no difference. Milliseconds. */
  completeFromMs: number
  /** Minutes that ended by then are counted, in partitions that have uncounted records. Milliseconds. */
  countedThroughMs: number
}

export interface Balance extends CountState {
  minutes: BalanceMinute[]
  /** There were more than `rowsMax`. */
  isCut: boolean
}

export async function readBalance(execute: ExecuteQuery, args: BalanceArgs): Promise<Balance> {
  const { rows } = await execute(balanceSql(args), [
    new Date(args.fromMs).toISOString(),
    new Date(args.toMs).toISOString(),
    TOPICS.raw.name,
    args.tenantId ?? null,
    args.rowsMax + 1,
  ])
  const [first] = rows
  const state = {
    hasBegun: first?.has_begun === true,
    uncounted: Number(first?.uncounted ?? 0),
    completeFromMs: Number(first?.complete_ms ?? Number.NEGATIVE_INFINITY),
    countedThroughMs: Number(first?.counted_ms ?? Number.POSITIVE_INFINITY),
  }
  const minutes = rows
    .filter(({ tenant_id }) => tenant_id !== null)
    .slice(0, args.rowsMax)
    .map((row) => toMinute(row, state))
  return { ...state, minutes, isCut: rows.length > args.rowsMax }
}

function toMinute(row: Record<string, unknown>, state: CountState): BalanceMinute {
  const count = (name: string) => Number(row[name])
  const difference = count('unaccounted')
  const startMs = Number(row.ms)
  return {
    tenantId: row.tenant_id as number,
    minute: new Date(startMs).toISOString(),
    accepted: count('accepted'),
    stored: count('stored'),
    duplicates: count('duplicate'),
    conflicting: count('conflicting'),
    dead: count('dead'),
    inFlight: count('in_flight'),
    unaccounted: isUncounted(difference, startMs, state) ? 0 : difference,
  }
}

/** Whether a difference may be that of records that are not counted yet, or never were. */
function isUncounted(
  difference: number,
  startMs: number,
  { hasBegun, uncounted, completeFromMs, countedThroughMs }: CountState,
): boolean {
  if (!hasBegun) return true
  if (difference >= 0) return false
  return startMs < completeFromMs || (uncounted > 0 && startMs + 60_000 > countedThroughMs)
}

/** Edges' clocks differ, and a record takes a while from its receipt to the log. */
const SKEW = "interval '5 minutes'"

/**
 * $1, $2: the range; $3: the topic; $4: a tenant or NULL; $5: rows. Constants in the place of the range would be pruned
 * earlier, but these statements are planned with their values.
 */
function balanceSql({ onlyOpen }: Pick<BalanceArgs, 'onlyOpen'>): string {
  const inRange = (minute: string) => `${minute} >= $1::timestamptz AND ${minute} < $2::timestamptz`
  const ofTenant = (tenant: string) => `($4::int IS NULL OR ${tenant} = $4)`
  return `
WITH state AS (
  SELECT count(c.partition) > 0 AS has_begun,
         coalesce(sum(greatest(p.next_offset - coalesce(c.next_offset, 0), 0)), 0)::float8 AS uncounted,
         (extract(epoch FROM max(c.complete_since) + ${SKEW}) * 1000)::float8 AS complete_ms,
         (extract(epoch FROM min(coalesce(c.counted_at, '-infinity')) FILTER (WHERE p.next_offset > coalesce(c.next_offset, 0)) - ${SKEW}) * 1000)::float8 AS counted_ms
    FROM log_position p LEFT JOIN log_count_position c USING (partition) WHERE p.topic = $3
), runs AS (
  SELECT CASE WHEN r.tenant > 0 THEN r.tenant ELSE coalesce(t.tenant_id, 0) END AS tenant_id,
         to_timestamp(r.minute * 60.0) AS minute, r.length,
         CASE WHEN b.is_lost THEN 0
              ELSE least(r.length, greatest(0, b.base_offset + r.before + r.length - p.next_offset)) END AS in_flight
    FROM log_count_batch b
    LEFT JOIN log_position p ON p.topic = $3 AND p.partition = b.partition
   CROSS JOIN LATERAL (
     SELECT u.tenant, u.minute, u.length, sum(u.length) OVER (ORDER BY u.i) - u.length AS before
       FROM unnest(b.tenants, b.minutes, b.lengths) WITH ORDINALITY u (tenant, minute, length, i)) r
    LEFT JOIN tenant t ON r.tenant < 0 AND t.slug = b.names[-r.tenant]
), replayed AS (
  SELECT m.tenant_id, m.minute, coalesce(t.tenant_id, 0) AS stated_id, m.stated_minute
    FROM log_count_moved m JOIN dead_letter d USING (dead_letter_id) LEFT JOIN tenant t ON t.slug = m.stated_tenant
   WHERE d.state = 'replayed' AND ((${inRange('m.minute')}) OR (${inRange('m.stated_minute')}))
), entries AS (
  SELECT tenant_id, minute, records AS accepted, 0 AS in_flight, 0 AS stored, 0 AS duplicate, 0 AS conflicting, 0 AS dead
    FROM log_count_minute
  UNION ALL SELECT tenant_id, minute, length, in_flight, 0, 0, 0, 0 FROM runs
  UNION ALL SELECT tenant_id, minute, -1, 0, 0, 0, 0, 0 FROM replayed
  UNION ALL SELECT stated_id, stated_minute, 1, 0, 0, 0, 0, 0 FROM replayed
  UNION ALL SELECT tenant_id, minute, 0, 0, stored, duplicate, conflicting, dead FROM outcome_minute
  UNION ALL SELECT 0, date_trunc('minute', received_at), 0, 0, 0, 0, 0, 1 FROM dead_letter
             WHERE tenant_id IS NULL AND state <> 'replayed' AND ${inRange('received_at')}
), minutes AS (
  SELECT tenant_id, minute, sum(accepted) AS accepted, sum(in_flight) AS in_flight, sum(stored) AS stored,
         sum(duplicate) AS duplicate, sum(conflicting) AS conflicting, sum(dead) AS dead,
         sum(accepted - in_flight - stored - duplicate - conflicting - dead) AS unaccounted
    FROM entries WHERE ${inRange('minute')} AND ${ofTenant('tenant_id')}
   GROUP BY 1, 2
  ${onlyOpen ? 'HAVING sum(accepted - in_flight - stored - duplicate - conflicting - dead) <> 0' : ''}
   ORDER BY 2, 1 LIMIT $5
)
SELECT s.*, m.*, (extract(epoch FROM m.minute) * 1000)::float8 AS ms FROM state s LEFT JOIN minutes m ON true ORDER BY m.minute, m.tenant_id`
}
