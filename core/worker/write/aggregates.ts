import { createHash } from 'node:crypto'
import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { encodeChangedBuckets } from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import type { DeadLetter, EventRow } from '../decode/decode.ts'
import { countKeyUse } from './key-use.ts'
import type { RolledUp } from './roll-up.ts'

/** What became of a batch's records. */
export interface BatchOutcome {
  fresh: readonly EventRow[]
  repeated: readonly EventRow[]
  letters: readonly DeadLetter[]
  /** Events that were dead letters until now. */
  revived?: readonly { tenantId: number; receivedMs: number }[]
}

/**
 * Rollups, outcomes, watermarks, the keys' use and the notification in one statement: one round trip, and the
 * shared rows are locked for the shortest time. Every list is sorted, so that two writers cannot
 * wait for each other in a ring.
 */
export async function upsertAggregates(
  client: pg.Client,
  { quarters, highest }: RolledUp,
  fates: BatchOutcome,
) {
  const outcomes = countOutcomes(fates)
  const uses = countKeyUse(fates.fresh, fates.repeated)
  await client.query({
    name: 'finish',
    text: FINISH,
    values: [
      array(quarters, (q) => q.tenantId),
      array(quarters, (q) => q.seriesId),
      array(quarters, (q) => time(q.bucketMs)),
      array(quarters, (q) => q.count),
      array(quarters, (q) => q.valueCount),
      array(quarters, (q) => q.sum),
      array(quarters, (q) => q.min),
      array(quarters, (q) => q.max),
      array(quarters, (q) => q.lateCount),
      array(outcomes, (o) => o.tenantId),
      array(outcomes, (o) => time(o.minuteMs)),
      array(outcomes, (o) => o.stored),
      array(outcomes, (o) => o.duplicate),
      array(outcomes, (o) => o.dead),
      array(highest, (h) => h.tenantId),
      array(highest, (h) => h.partition),
      array(highest, (h) => time(h.ms)),
      array(uses, (u) => u.keyId),
      array(uses, (u) => time(u.hourMs)),
      array(uses, (u) => u.events),
      CHANNELS.stored,
      notification(outcomes),
      CHANNELS.changedBuckets,
      // Counted by when it happened, and what became of it by when it was received.
      encodeChangedBuckets([
        ...quarters.map(({ tenantId, bucketMs }) => ({ tenantId, ms: bucketMs })),
        ...outcomes.map(({ tenantId, minuteMs }) => ({ tenantId, ms: minuteMs })),
      ]),
    ],
  })
}

const FINISH = `
WITH rolled AS (
  INSERT INTO rollup_15m AS r
         (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count, revised_at)
  SELECT q.*, CASE WHEN q.late > 0 THEN now() END
    FROM unnest($1::int[], $2::int[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::float8[],
                $7::float8[], $8::float8[], $9::bigint[])
      AS q (tenant, series, bucket, count, value_count, sum, min, max, late)
   ORDER BY q.tenant, q.series, q.bucket
  ON CONFLICT (tenant_id, series_id, bucket) DO UPDATE SET
    count = r.count + EXCLUDED.count,
    value_count = r.value_count + EXCLUDED.value_count,
    sum = r.sum + EXCLUDED.sum,
    min = least(r.min, EXCLUDED.min),
    max = greatest(r.max, EXCLUDED.max),
    late_count = r.late_count + EXCLUDED.late_count,
    revised_at = coalesce(EXCLUDED.revised_at, r.revised_at)
), counted AS (
  INSERT INTO outcome_minute AS o (tenant_id, minute, stored, duplicate, dead)
  SELECT * FROM unnest($10::int[], $11::timestamptz[], $12::bigint[], $13::bigint[], $14::bigint[])
      AS m (tenant, minute, stored, duplicate, dead)
   ORDER BY m.tenant, m.minute
  ON CONFLICT (tenant_id, minute) DO UPDATE SET
    stored = o.stored + EXCLUDED.stored,
    duplicate = o.duplicate + EXCLUDED.duplicate,
    dead = o.dead + EXCLUDED.dead
), totalled AS (
  INSERT INTO outcome_total AS t (tenant_id, stored, duplicate, dead)
  SELECT m.tenant, sum(m.stored)::bigint, sum(m.duplicate)::bigint, sum(m.dead)::bigint
    FROM unnest($10::int[], $12::bigint[], $13::bigint[], $14::bigint[]) AS m (tenant, stored, duplicate, dead)
   GROUP BY m.tenant
   ORDER BY m.tenant
  ON CONFLICT (tenant_id) DO UPDATE SET
    stored = t.stored + EXCLUDED.stored,
    duplicate = t.duplicate + EXCLUDED.duplicate,
    dead = t.dead + EXCLUDED.dead
), marked AS (
  INSERT INTO watermark AS w (tenant_id, partition, highest_at)
  SELECT * FROM unnest($15::int[], $16::int[], $17::timestamptz[]) AS h (tenant, partition, highest_at)
   ORDER BY h.tenant, h.partition
  ON CONFLICT (tenant_id, partition) DO UPDATE SET highest_at = EXCLUDED.highest_at
   WHERE w.highest_at < EXCLUDED.highest_at
), used AS (
  INSERT INTO key_use_hour AS k (key_id, hour, events)
  -- Grouped once more: the same id may come in two spellings.
  SELECT u.key, u.hour, sum(u.events)::bigint
    FROM unnest($18::uuid[], $19::timestamptz[], $20::bigint[]) AS u (key, hour, events)
   GROUP BY u.key, u.hour
   ORDER BY u.key, u.hour
  ON CONFLICT (key_id, hour) DO UPDATE SET events = k.events + EXCLUDED.events
)
SELECT pg_notify($21, $22), pg_notify($23, $24)`

/** What was sent, byte for byte, with the reason and the place in the log where it came from. */
export async function deadLetters(
  client: pg.Client,
  topic: string,
  letters: readonly DeadLetter[],
): Promise<void> {
  await client.query(
    `INSERT INTO dead_letter
       (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, request_id, received_at, route, client)
     SELECT l.tenant, l.reason, l.detail, l.fingerprint, l.original, $1, l.partition, l.log_offset, l.request, l.received, l.route, l.client
       FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::int[], $8::bigint[], $9::text[], $10::timestamptz[], $11::text[], $12::text[])
         AS l (tenant, reason, detail, fingerprint, original, partition, log_offset, request, received, route, client)`,
    [
      topic,
      letters.map((l) => l.tenantId),
      letters.map((l) => l.reason),
      letters.map((l) => l.detail),
      letters.map(fingerprint),
      letters.map((l) => l.original),
      letters.map((l) => l.record.partition),
      letters.map((l) => l.record.offset),
      letters.map((l) => l.requestId),
      letters.map((l) => time(l.receivedMs)),
      letters.map((l) => l.route),
      letters.map((l) => l.client),
    ],
  )
}

/** Letters with the same fault share it: the reason and the detail without its numbers. */
function fingerprint({ reason, detail }: DeadLetter): string {
  const shape = `${reason} ${detail.replace(/\d+/g, '#')}`
  return createHash('sha256').update(shape).digest('hex').slice(0, 16)
}

interface Outcome {
  tenantId: number
  minuteMs: number
  stored: number
  duplicate: number
  dead: number
}

const MINUTE_MS = 60_000

function countOutcomes({ fresh, repeated, letters, revived = [] }: BatchOutcome): Outcome[] {
  const outcomes = new Map<string, Outcome>()
  function count(
    tenantId: number,
    ms: number,
    fate: 'stored' | 'duplicate' | 'dead',
    by = 1,
  ): void {
    const minuteMs = Math.floor(ms / MINUTE_MS) * MINUTE_MS
    const key = `${tenantId} ${minuteMs}`
    let outcome = outcomes.get(key)
    if (!outcome) {
      outcome = { tenantId, minuteMs, stored: 0, duplicate: 0, dead: 0 }
      outcomes.set(key, outcome)
    }
    outcome[fate] += by
  }
  for (const row of fresh) count(row.tenantId, row.received.ms, 'stored')
  for (const row of repeated) count(row.tenantId, row.received.ms, 'duplicate')
  // A letter of no tenant has no balance to stand in; the dead_letter row alone tells of it.
  for (const letter of letters)
    if (letter.tenantId !== null) count(letter.tenantId, letter.receivedMs, 'dead')
  for (const { tenantId, receivedMs } of revived) count(tenantId, receivedMs, 'dead', -1)
  return [...outcomes.values()].sort((a, b) => a.tenantId - b.tenantId || a.minuteMs - b.minuteMs)
}

function notification(outcomes: readonly Outcome[]): string {
  const payload = [...new Set(outcomes.map((o) => o.tenantId))].join(',')
  return payload.length > LIMITS.notifyBytesMax ? '' : payload
}

/** An array literal of values that need no quoting: numbers, NULL, and times as we spell them. */
function array<T>(items: readonly T[], value: (item: T) => number | string | null): string {
  return `{${items.map((item) => value(item) ?? 'NULL').join(',')}}`
}

function time(ms: number): string {
  return new Date(ms).toISOString()
}
