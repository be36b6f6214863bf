import type pg from 'pg'
import type { TrackedEvent } from '../../contract/event/event.ts'
import { uuidV7 } from '../../contract/event/uuid.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { recordEncoder, type StampedEvent } from '../../contract/log/record.ts'
import { recordKey, TOPICS } from '../../contract/log/topics.ts'
import type { NewRecord } from '../../core/log/log.ts'

export type RecordFields = Partial<TrackedEvent> & {
  tenant?: string
  received_at?: string
  historical?: true
  trust?: 'public'
  /** `occurred_at` was computed from the time of sending. */
  time?: 'computed'
}

/** A record of events.raw as the edge makes it, on the partition that its key leads to. */
export function rawRecord(sent: RecordFields = {}): NewRecord {
  const { tenant = 'default', received_at = new Date().toISOString(), ...rest } = sent
  const { historical, trust, time, ...fields } = rest
  const event: TrackedEvent = {
    event_id: uuidV7(Date.now()),
    name: 'page_view',
    occurred_at: received_at,
    properties: {},
    ...fields,
  }
  const stamp: Omit<StampedEvent, 'event'> = {
    v: 1,
    tenant,
    key: '0192a1b2-0000-7000-8000-000000000001',
    request_id: 'a-request',
    received_at,
    edge: 'test',
    ...(trust && { trust }),
    ...(historical && { historical }),
  }
  const value = recordEncoder(stamp).event(JSON.stringify(event), time && { time })
  return rawValue(value, recordKey(tenant, event))
}

/** What partition maintenance has to know of events that were received, and occurred, on these days since 1970. */
export function receivedOn(...days: number[]) {
  return {
    rows: days.map((day) => ({ receivedDay: day, occurred: { ms: day * 86_400_000 } })),
    deadLetters: [],
    expired: [],
  }
}

/** Any bytes as a record's value. */
export function rawValue(value: string | Buffer, key = 'a-key'): NewRecord {
  return {
    partition: partitionFor(Buffer.from(key), TOPICS.raw.partitions),
    key: Buffer.from(key),
    value: Buffer.from(value),
  }
}

export interface Totals {
  stored: number
  duplicates: number
  /** Duplicates whose content differs; not in the number before. */
  conflicting: number
  dead: number
  /** Rows of rollup_15m that differ from a recount of the events, and the other way round. */
  wrongRollups: number
  /** Events whose (tenant, event_id) is there more than once, over all days. */
  double: number
}

/** Counts everything again from the rows. */
export async function countTotals(pool: pg.Pool): Promise<Totals> {
  const { rows } = await pool.query(`
    WITH recount AS (
      SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch') AS bucket,
             count(*) AS count, count(e.value) AS value_count, min(e.value) AS min, max(e.value) AS max,
             coalesce(sum(e.value), 0) AS sum
        FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name
       GROUP BY 1, 2, 3
    )
    SELECT (SELECT count(*)::int FROM event) AS stored,
           (SELECT coalesce(sum(duplicate), 0)::int FROM outcome_minute) AS duplicates,
           (SELECT coalesce(sum(conflicting), 0)::int FROM outcome_minute) AS conflicting,
           (SELECT count(*)::int FROM dead_letter WHERE state <> 'replayed') AS dead,
           (SELECT count(*)::int FROM recount c FULL JOIN rollup_15m r USING (tenant_id, series_id, bucket)
             WHERE c.count IS DISTINCT FROM r.count OR c.value_count IS DISTINCT FROM r.value_count
                OR c.min IS DISTINCT FROM r.min OR c.max IS DISTINCT FROM r.max
                OR abs(c.sum - r.sum) > 1e-9 * greatest(abs(c.sum), 1)) AS "wrongRollups",
           (SELECT count(*)::int FROM (SELECT 1 FROM event GROUP BY tenant_id, event_id HAVING count(*) > 1) d) AS double`)
  return rows[0] as Totals
}
