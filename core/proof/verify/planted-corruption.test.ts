import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readBalance } from '../balance.ts'
import type { ProofSystem } from '../testing/proof-system.ts'
import type { DifferenceKind } from './difference.ts'
import {
  type CorruptedSystem,
  createSeedCopy,
  seedProofSystem,
  withCorruption,
} from './testing/seed.ts'
import { verify } from './verify.ts'

/** What was planted, as SQL; of which kind a difference has to be; and whether the balance sees it by itself. */
type Planted = [what: string, sql: string, kind: DifferenceKind, balance?: 'balance']

const ONE =
  "(SELECT event_id FROM event WHERE name = 'name_1' AND value IS NOT NULL AND tenant_id = 1 ORDER BY log_partition, log_offset LIMIT 1)"
const OF_ONE = `UPDATE event SET %s WHERE event_id = ${ONE}`
const set = (what: string) => OF_ONE.replace('%s', what)
const BUCKET =
  '(SELECT tenant_id, series_id, bucket FROM rollup_15m WHERE tenant_id = 1 AND value_count > 0 ORDER BY bucket, series_id LIMIT 1)'
const rollup = (what: string) =>
  `UPDATE rollup_15m r SET ${what} FROM (SELECT tenant_id, series_id, bucket FROM rollup_15m WHERE tenant_id = 1 AND value_count > 0 ORDER BY bucket, series_id LIMIT 1) one
    WHERE r.tenant_id = one.tenant_id AND r.series_id = one.series_id AND r.bucket = one.bucket`
const MINUTE = '(SELECT min(minute) FROM outcome_minute WHERE tenant_id = 1 AND stored > 0)'
const outcome = (what: string, where = `tenant_id = 1 AND minute = ${MINUTE}`) =>
  `UPDATE outcome_minute SET ${what} WHERE ${where}`
const COPY_OF_ONE = (changes: string) =>
  `INSERT INTO event SELECT (jsonb_populate_record(e, '${changes}')).* FROM event e WHERE event_id = ${ONE}`
const metric = (what: string) =>
  `UPDATE metric_rollup_15m r SET ${what} FROM (SELECT series_id, bucket, backfilled FROM metric_rollup_15m WHERE NOT backfilled ORDER BY bucket, series_id LIMIT 1) one
    WHERE r.series_id = one.series_id AND r.bucket = one.bucket AND r.backfilled = one.backfilled`
const sketch = (what: string, where: string) =>
  `UPDATE sketch k SET ${what} FROM (SELECT * FROM sketch WHERE ${where} ORDER BY bucket, series_id LIMIT 1) one
    WHERE k.tenant_id = one.tenant_id AND k.series_id = one.series_id AND k.minutes = one.minutes AND k.bucket = one.bucket`

const EVENTS: Planted[] = [
  ['an event that is gone', `DELETE FROM event WHERE event_id = ${ONE}`, 'record-lost'],
  [
    'an event that is gone, with all that counted it',
    `WITH e AS (DELETE FROM event WHERE event_id = ${ONE} RETURNING *), r AS (
       UPDATE rollup_15m r SET count = r.count - 1, value_count = r.value_count - 1, sum = r.sum - e.value FROM e, series s
        WHERE s.metric = e.name AND s.tenant_id = 1 AND r.series_id = s.series_id AND r.bucket = date_bin('15 minutes', e.occurred_at, 'epoch'))
     UPDATE outcome_minute o SET stored = stored - 1 FROM e WHERE o.tenant_id = 1 AND o.minute = date_trunc('minute', e.received_at)`,
    'record-lost',
    'balance',
  ],
  [
    'an event that nobody sent',
    COPY_OF_ONE('{"event_id": "0192a1b2-0000-7000-8000-ffffffffffff"}'),
    'event-not-in-log',
  ],
  [
    'an event that nobody sent, beyond the log',
    COPY_OF_ONE('{"event_id": "0192a1b2-0000-7000-8000-ffffffffffff", "log_offset": 999999}'),
    'offset',
  ],
  [
    'an event that nobody sent, with an outcome',
    `${COPY_OF_ONE('{"event_id": "0192a1b2-0000-7000-8000-ffffffffffff"}')}; ${outcome('stored = stored + 1')}`,
    'event-not-in-log',
    'balance',
  ],
  ['another name', set("name = 'name_2'"), 'rollup'],
  ['another value', set('value = value + 1'), 'rollup'],
  ['a value that differs in its last bit', set('value = value * (1 + 2.3e-16)'), 'event-changed'],
  ['no value', set('value = NULL'), 'rollup'],
  ['another bucket', set("occurred_at = occurred_at - interval '1 hour'"), 'rollup'],
  ['another second', set("occurred_at = occurred_at - interval '1 microsecond'"), 'event-changed'],
  ['another actor', set("actor = 'somebody'"), 'event-changed'],
  ['no actor', set('actor = NULL'), 'event-changed'],
  ['another session', set("session = 'other'"), 'event-changed'],
  ['another source', set("source = 's-9'"), 'event-changed'],
  ['another property', set(`properties = properties || '{"n": -1}'`), 'event-changed'],
  ['no properties', set(`properties = '{}'`), 'event-changed'],
  ['another context', set(`context = '{"a": 1}'`), 'event-changed'],
  ['another schema version', set("schema_version = '3'"), 'event-changed'],
  ['another trust class', set("trust_class = 'public'"), 'event-changed'],
  ['another id', set("event_id = '0192a1b2-0000-7000-8000-ffffffffffff'"), 'event-changed'],
  ['another offset', set('log_offset = log_offset + 1'), 'event-not-in-log'],
  ['another log partition', set('log_partition = (log_partition + 1) % 6'), 'event-not-in-log'],
  ['another tenant', set('tenant_id = 2'), 'event-changed'],
  ['another minute of receipt', set("received_at = received_at + interval '1 minute'"), 'outcome'],
  ['the wrong day', set('received_on = received_on + 1'), 'event-day'],
  [
    'a duplicate of the next day',
    `INSERT INTO event SELECT (jsonb_populate_record(e, jsonb_build_object('received_on', received_on + 1, 'received_at', received_at + interval '1 day'))).* FROM event e WHERE event_id = ${ONE}`,
    'duplicate-stored',
  ],
  ['a tenant without events', 'DELETE FROM event WHERE tenant_id = 2', 'record-lost'],
  [
    "two events with each other's offset",
    `UPDATE event e SET log_offset = o.log_offset FROM event o
     WHERE e.log_partition = 0 AND o.log_partition = 0 AND e.log_offset IN (1, 3) AND o.log_offset IN (1, 3) AND e.log_offset <> o.log_offset`,
    'event-changed',
  ],
]

const ROLLUPS: Planted[] = [
  ['a count too many', rollup('count = r.count + 1'), 'rollup'],
  ['a count too few', rollup('count = r.count - 1'), 'rollup'],
  ['another sum', rollup('sum = r.sum + 0.001'), 'rollup'],
  ['a sum of NaN', rollup("sum = 'NaN'"), 'rollup'],
  ['a value too many', rollup('value_count = r.value_count + 1'), 'rollup'],
  ['a lower minimum', rollup('min = r.min - 1'), 'rollup'],
  ['a higher maximum', rollup('max = r.max + 1'), 'rollup'],
  ['no minimum', rollup('min = NULL'), 'rollup'],
  ['another bucket', rollup("bucket = r.bucket - interval '10 days'"), 'rollup'],
  ['a bucket years ago', rollup("bucket = r.bucket - interval '9 years'"), 'rollup'],
  [
    'a row that is gone',
    `DELETE FROM rollup_15m WHERE (tenant_id, series_id, bucket) = ${BUCKET}`,
    'rollup',
  ],
  [
    'a row of nothing',
    `INSERT INTO rollup_15m SELECT tenant_id, series_id, bucket - interval '20 days', 1, 0, 0, NULL, NULL, 0, NULL FROM rollup_15m WHERE (tenant_id, series_id, bucket) = ${BUCKET}`,
    'rollup',
  ],
  ['another series', rollup('series_id = 999'), 'rollup'],
  [
    'two series merged',
    `WITH gone AS (DELETE FROM rollup_15m WHERE series_id = (SELECT series_id FROM series WHERE metric = 'name_0' AND tenant_id = 1) RETURNING *)
     UPDATE rollup_15m r SET count = r.count + g.count FROM gone g, series s WHERE s.metric = 'name_2' AND s.tenant_id = 1 AND r.series_id = s.series_id AND r.bucket = g.bucket`,
    'rollup',
  ],
  ['another tenant', rollup('tenant_id = 2'), 'rollup'],
  [
    'late events in an open bucket',
    'UPDATE rollup_15m SET late_count = 1, revised_at = now() WHERE bucket = (SELECT max(bucket) FROM rollup_15m)',
    'rollup',
  ],
  [
    'a late event without a mark',
    'UPDATE rollup_15m SET revised_at = NULL WHERE late_count > 0',
    'rollup',
  ],
  ['fewer late events than none', rollup('late_count = -1'), 'rollup'],
  [
    'a series of another name',
    "UPDATE series SET metric = 'name_9' WHERE metric = 'name_0' AND tenant_id = 1",
    'rollup',
  ],
  [
    'a series that is gone',
    "DELETE FROM series WHERE metric = 'name_0' AND tenant_id = 1",
    'rollup',
  ],
]

const DERIVED: Planted[] = [
  ['a count of a declared metric', metric('count = r.count + 1'), 'metric'],
  ['a sum of a declared metric', metric('sum = r.sum - 1'), 'metric'],
  ['a maximum of a declared metric', metric('max = r.max + 1'), 'metric'],
  ['a bucket of a declared metric', metric("bucket = r.bucket - interval '1 hour'"), 'metric'],
  [
    'a declared metric without its history',
    'DELETE FROM metric_rollup_15m WHERE backfilled',
    'metric',
  ],
  [
    'a history that was counted twice',
    'UPDATE metric_rollup_15m SET count = count * 2 WHERE backfilled',
    'metric',
  ],
  [
    'dimensions that were exchanged',
    "UPDATE metric_series SET dims = CASE dims[1] WHEN 's-0' THEN '{s-1}'::text[] ELSE '{s-0}' END WHERE metric_id = 1",
    'metric',
  ],
  [
    'an hour of more events',
    'UPDATE rollup_long SET count = count + 1 WHERE minutes = 60 AND metric_id = 0 AND series_id > 0',
    'rollup-long',
  ],
  ['a day that is gone', 'DELETE FROM rollup_long WHERE minutes = 1440', 'rollup-long'],
  [
    'an hour of a declared metric with another sum',
    'UPDATE rollup_long SET sum = sum + 1 WHERE minutes = 60 AND metric_id > 0',
    'rollup-long',
  ],
  [
    'a flipped bit of actors',
    sketch(
      'actors = set_bit(k.actors, length(k.actors) * 8 - 3, 1 - get_bit(k.actors, length(k.actors) * 8 - 3))',
      'minutes = 15 AND series_id = 0',
    ),
    'sketch',
  ],
  [
    'a flipped bit of a percentile',
    sketch(
      'quantiles = set_bit(k.quantiles, length(k.quantiles) * 8 - 3, 1 - get_bit(k.quantiles, length(k.quantiles) * 8 - 3))',
      'minutes = 15 AND quantiles IS NOT NULL',
    ),
    'sketch',
  ],
  ['a sketch of more events', sketch('count = k.count + 1', 'minutes = 15'), 'sketch'],
  [
    'a sketch that is gone',
    'DELETE FROM sketch WHERE minutes = 15 AND series_id = 0 AND bucket = (SELECT min(bucket) FROM sketch WHERE minutes = 15)',
    'sketch',
  ],
  ['a day of sketches that is gone', 'DELETE FROM sketch WHERE minutes = 1440', 'sketch'],
  [
    'a day with the actors of another',
    sketch(
      'actors = (SELECT actors FROM sketch WHERE minutes = 15 AND actors IS NOT NULL LIMIT 1)',
      'minutes = 1440 AND series_id = 0',
    ),
    'sketch',
  ],
  [
    'a sketch without its actors',
    sketch('actors = NULL', 'minutes = 60 AND series_id = 0'),
    'sketch',
  ],
  [
    'a sketch of nothing',
    "INSERT INTO sketch SELECT tenant_id, series_id, minutes, bucket - interval '5 hours', count, rollup_count, late_count, revised_at, actors, quantiles FROM sketch WHERE minutes = 15 AND series_id = 0 ORDER BY bucket LIMIT 1",
    'sketch',
  ],
]

const OUTCOMES: Planted[] = [
  ['an outcome too many', outcome('stored = stored + 1'), 'outcome', 'balance'],
  ['an outcome too few', outcome('stored = stored - 1'), 'outcome', 'balance'],
  ['a duplicate too many', outcome('duplicate = duplicate + 1'), 'unaccounted', 'balance'],
  [
    'a duplicate let through as stored',
    outcome('stored = stored + 1, duplicate = duplicate - 1', 'tenant_id = 1 AND duplicate > 0'),
    'outcome',
  ],
  [
    'a conflict that became a duplicate',
    outcome('conflicting = 0, duplicate = duplicate + 1', 'conflicting > 0'),
    'outcome-total',
  ],
  [
    'a dead letter too few',
    outcome('dead = dead - 1', 'dead > 0 AND tenant_id = 1'),
    'dead-letter',
    'balance',
  ],
  ['another minute', outcome("minute = minute - interval '10 minutes'"), 'outcome', 'balance'],
  [
    'a minute that is gone',
    `DELETE FROM outcome_minute WHERE tenant_id = 1 AND minute = ${MINUTE}`,
    'outcome',
    'balance',
  ],
  [
    'another tenant',
    outcome(
      'tenant_id = 2',
      `tenant_id = 1 AND minute = (SELECT min(a.minute) FROM outcome_minute a WHERE a.tenant_id = 1 AND NOT EXISTS (SELECT FROM outcome_minute b WHERE b.tenant_id = 2 AND b.minute = a.minute))`,
    ),
    'outcome',
    'balance',
  ],
  [
    'a total too many',
    'UPDATE outcome_total_by_partition SET stored = stored + 1 WHERE partition = (SELECT min(partition) FROM outcome_total_by_partition WHERE partition >= 0)',
    'outcome-total',
  ],
  [
    'a dead letter that is gone',
    'DELETE FROM dead_letter WHERE tenant_id = 1 AND dead_letter_id = (SELECT min(dead_letter_id) FROM dead_letter WHERE tenant_id = 1)',
    'record-lost',
  ],
  [
    'a dead letter of no tenant that is gone',
    'DELETE FROM dead_letter WHERE tenant_id IS NULL',
    'record-lost',
    'balance',
  ],
  [
    'a dead letter that was never replayed',
    "UPDATE dead_letter SET state = 'replayed' WHERE tenant_id = 1",
    'dead-letter',
    'balance',
  ],
  [
    'a dead letter of another tenant',
    'UPDATE dead_letter SET tenant_id = 2 WHERE tenant_id = 1',
    'dead-letter',
  ],
  [
    'a dead letter of another minute',
    "UPDATE dead_letter SET received_at = received_at - interval '1 minute' WHERE tenant_id = 1",
    'dead-letter',
  ],
  [
    'a dead letter beyond the log',
    'UPDATE dead_letter SET log_offset = 999999 WHERE tenant_id = 2',
    'offset',
  ],
  [
    'a count of the log too many',
    'UPDATE log_count_minute SET records = records + 1 WHERE tenant_id = 2 AND minute = (SELECT min(minute) FROM log_count_minute WHERE tenant_id = 2)',
    'unaccounted',
    'balance',
  ],
  [
    'a minute that was not counted',
    'DELETE FROM log_count_minute WHERE tenant_id = 2 AND minute = (SELECT min(minute) FROM log_count_minute WHERE tenant_id = 2)',
    'unaccounted',
    'balance',
  ],
]

const POSITION =
  "partition = (SELECT log_partition FROM event ORDER BY log_offset DESC LIMIT 1) AND topic = 'events.raw'"
const POSITIONS: Planted[] = [
  [
    'an offset that was set back',
    `UPDATE log_position SET next_offset = next_offset - 1, written_at = now() WHERE ${POSITION}`,
    'offset',
  ],
  [
    'an offset beyond the log',
    `UPDATE log_position SET next_offset = next_offset + 1, written_at = clock_timestamp() WHERE ${POSITION}`,
    'offset',
  ],
  [
    'a watermark that was set back',
    "UPDATE watermark SET highest_at = highest_at - interval '5 minutes' WHERE tenant_id = 1",
    'watermark',
  ],
  [
    'a watermark of the future',
    "UPDATE watermark SET highest_at = highest_at + interval '1 hour' WHERE tenant_id = 1",
    'watermark',
  ],
  ['a watermark that is gone', 'DELETE FROM watermark WHERE tenant_id = 2', 'watermark'],
]

const LOG: Planted[] = [
  [
    'a log that lost its end',
    `WITH gone AS (DELETE FROM log_chunk c USING (SELECT partition, max(base_offset) AS base FROM log_chunk WHERE topic = 'events.raw' AND partition = 1 GROUP BY 1) l
                    WHERE c.topic = 'events.raw' AND c.partition = l.partition AND c.base_offset = l.base RETURNING c.*)
     UPDATE log_partition p SET next_offset = g.base_offset FROM gone g WHERE p.topic = g.topic AND p.partition = g.partition`,
    'offset',
  ],
  [
    'a log with a hole',
    `DELETE FROM log_chunk WHERE topic = 'events.raw' AND partition = 1 AND base_offset = (SELECT base_offset FROM log_chunk WHERE topic = 'events.raw' AND partition = 1 ORDER BY 1 OFFSET 1 LIMIT 1)`,
    'offset',
  ],
]

let seed: ProofSystem
beforeAll(async () => {
  seed = await seedProofSystem()
}, 120_000)
afterAll(() => seed?.close())

async function expectFound(
  { pool, log, url }: CorruptedSystem,
  kind: DifferenceKind,
  balance: 'balance' | undefined,
): Promise<void> {
  const report = await verify({ databaseUrl: url, pool, log, concurrency: 1 })
  expect(report.differences.map((each) => each.kind)).toContain(kind)
  expect(report.clean).toBe(false)
  const { minutes } = await readBalance((text, values) => pool.query(text, values), {
    ...{ fromMs: Date.now() - 5 * 86_400_000, toMs: Date.now() + 86_400_000 },
    ...{ onlyOpen: true, rowsMax: 1_000 },
  })
  expect(minutes.some(({ unaccounted }) => unaccounted !== 0)).toBe(balance !== undefined)
}

describe.each<[string, Planted[]]>([
  ['events', EVENTS],
  ['rollups', ROLLUPS],
  ['metrics and sketches', DERIVED],
  ['outcomes', OUTCOMES],
  ['positions', POSITIONS],
])('of %s, a verification finds', (_, planted) => {
  test.each(planted)('%s', async (_, corrupt, kind, balance) => {
    await withCorruption(seed, corrupt, (system) => expectFound(system, kind, balance))
  })
})

describe('of the log, a verification finds', () => {
  test.each(LOG)('%s', async (_, corrupt, kind, balance) => {
    await seed.disconnect()
    const copy = await createSeedCopy(seed.name)
    try {
      await copy.pool.query(corrupt)
      await expectFound(copy, kind, balance)
    } finally {
      await copy.close()
    }
  })
})
