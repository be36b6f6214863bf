import type pg from 'pg'
import { TOPICS } from '../../../contract/log/topics.ts'
import { type ChangedBuckets, changedBuckets } from '../../db/changed-buckets.ts'
import { type AddParameter, createStatement } from '../../db/statement.ts'
import { type Upsert, upsertSql } from '../../db/upsert.ts'
import { countKeyUse, type KeyUse } from './key-use.ts'
import type { MetricSum } from './metric-sums.ts'
import {
  type BatchOutcome,
  countOutcomes,
  type OutcomeCount,
  type Outcomes,
  type OutcomeTotal,
  totalOutcomes,
} from './outcomes.ts'
import type { BatchRollup, BucketSum, PartitionHighest } from './roll-up.ts'

/**
 * Rollups, outcomes, watermarks and the keys' use in one statement: one round trip, and the shared rows are locked for
 * the shortest time. Every table is written in the order of its key, so that two writers cannot wait for each other in
 * a ring.
 * @returns the buckets that readers have to read again once it is committed
 */
export async function upsertAggregates(
  client: pg.ClientBase,
  { buckets, highest }: BatchRollup,
  outcome: BatchOutcome,
  metrics: readonly MetricSum[] = [],
): Promise<ChangedBuckets> {
  const outcomes = countOutcomes(outcome)
  const keyUses = countKeyUse(outcome.newRows, outcome.duplicates, outcome.conflicting)
  const totals = totalOutcomes(outcome, outcomes)
  const aggregates = { buckets, outcomes, totals, highest, keyUses, metrics }
  // Batches without declared metrics pay nothing for them.
  const upsert = metrics.length > 0 ? UPSERT_WITH_METRICS : UPSERT_AGGREGATES
  await client.query(upsert(aggregates))
  // An event counts in the bucket in which it occurred, its outcome in that in which it was received.
  return changedBuckets([
    ...buckets.map(({ tenantId, bucketMs }) => ({ tenantId, ms: bucketMs })),
    ...outcomes.map(({ tenantId, minuteMs }) => ({ tenantId, ms: minuteMs })),
  ])
}

interface Aggregates {
  buckets: readonly BucketSum[]
  outcomes: readonly OutcomeCount[]
  totals: readonly OutcomeTotal[]
  highest: readonly PartitionHighest[]
  keyUses: readonly KeyUse[]
  metrics: readonly MetricSum[]
}

type Sums = Pick<
  BucketSum,
  'count' | 'valueCount' | 'sum' | 'min' | 'max' | 'lateCount' | 'revised'
>

const SUMS: Upsert<Aggregates, Sums>['columns'] = [
  { name: 'count', type: 'bigint', value: (bucket) => bucket.count, merge: 'add' },
  { name: 'value_count', type: 'bigint', value: (bucket) => bucket.valueCount, merge: 'add' },
  { name: 'sum', type: 'float8', value: (bucket) => bucket.sum, merge: 'add' },
  { name: 'min', type: 'float8', value: (bucket) => bucket.min, merge: 'least' },
  { name: 'max', type: 'float8', value: (bucket) => bucket.max, merge: 'greatest' },
  { name: 'late_count', type: 'bigint', value: (bucket) => bucket.lateCount, merge: 'add' },
  {
    name: 'revised_at',
    type: 'timestamptz',
    // Postgres reads it as the time of the transaction.
    value: (bucket) => (bucket.revised ? 'now' : null),
    merge: 'replaceUnlessNull',
  },
]

const ROLLUP: Upsert<Aggregates, BucketSum> = {
  table: 'rollup_15m',
  rows: ({ buckets }) => buckets,
  key: [
    { name: 'tenant_id', type: 'int', value: (bucket) => bucket.tenantId },
    { name: 'series_id', type: 'bigint', value: (bucket) => bucket.seriesId },
    { name: 'bucket', type: 'timestamptz', value: (bucket) => toTime(bucket.bucketMs) },
  ],
  columns: SUMS,
}

/** Rows of batches alone: the backfill writes others. */
const METRIC_ROLLUP: Upsert<Aggregates, MetricSum> = {
  table: 'metric_rollup_15m',
  rows: ({ metrics }) => metrics,
  key: [
    { name: 'series_id', type: 'bigint', value: (sum) => sum.seriesId },
    { name: 'bucket', type: 'timestamptz', value: (sum) => toTime(sum.bucketMs) },
    { name: 'backfilled', type: 'boolean', value: () => 'f' },
  ],
  columns: [
    { name: 'tenant_id', type: 'int', value: (sum) => sum.tenantId, merge: 'replace' },
    ...SUMS,
  ],
}

const OUTCOMES: Upsert<Aggregates, Outcomes>['columns'] = [
  { name: 'stored', type: 'bigint', value: (outcome) => outcome.stored, merge: 'add' },
  { name: 'duplicate', type: 'bigint', value: (outcome) => outcome.duplicate, merge: 'add' },
  { name: 'conflicting', type: 'bigint', value: (outcome) => outcome.conflicting, merge: 'add' },
  { name: 'dead', type: 'bigint', value: (outcome) => outcome.dead, merge: 'add' },
]

const OUTCOME_MINUTE: Upsert<Aggregates, OutcomeCount> = {
  table: 'outcome_minute',
  rows: ({ outcomes }) => outcomes,
  key: [
    { name: 'tenant_id', type: 'int', value: (outcome) => outcome.tenantId },
    { name: 'minute', type: 'timestamptz', value: (outcome) => toTime(outcome.minuteMs) },
  ],
  columns: OUTCOMES,
}

/** Always one row, of a partition whose position this transaction has locked: no other batch waits for it. */
const OUTCOME_TOTAL: Upsert<Aggregates, OutcomeTotal> = {
  table: 'outcome_total_by_partition',
  rows: ({ totals }) => totals,
  key: [{ name: 'partition', type: 'int', value: (total) => total.partition }],
  columns: OUTCOMES,
}

const WATERMARK: Upsert<Aggregates, PartitionHighest> = {
  table: 'watermark',
  rows: ({ highest }) => highest,
  key: [
    { name: 'tenant_id', type: 'int', value: (highest) => highest.tenantId },
    { name: 'partition', type: 'int', value: (highest) => highest.partition },
  ],
  columns: [
    {
      name: 'highest_at',
      type: 'timestamptz',
      value: (highest) => toTime(highest.ms),
      merge: 'replace',
    },
  ],
  computed: [
    { name: 'moved_xid', sql: 'pg_current_xact_id()', merge: 'replace' },
    // A new row has none; a moved one keeps what readers may use (finality.ts).
    {
      name: 'published_highest_at',
      sql: 'NULL::timestamptz',
      merge: {
        sql: `CASE WHEN t.moved_xid IS NULL OR pg_visible_in_snapshot(t.moved_xid, (
      SELECT published_snapshot FROM finality WHERE topic = '${TOPICS.raw.name}'))
    THEN t.highest_at ELSE t.published_highest_at END`,
      },
    },
  ],
  where: 't.highest_at < EXCLUDED.highest_at',
}

const KEY_USE: Upsert<Aggregates, KeyUse> = {
  table: 'key_use_hour',
  rows: ({ keyUses }) => keyUses,
  key: [
    { name: 'key_id', type: 'uuid', value: (use) => use.keyId },
    { name: 'hour', type: 'timestamptz', value: (use) => toTime(use.hourMs) },
  ],
  columns: [{ name: 'events', type: 'bigint', value: (use) => use.events, merge: 'add' }],
  // The same id may come in upper and in lower case.
  grouped: true,
}

const UPSERT_AGGREGATES = createUpsert('upsert_aggregates', () => '')
const UPSERT_WITH_METRICS = createUpsert(
  'upsert_aggregates_with_metrics',
  (add) => `, metrics_merged AS (${upsertSql(add, METRIC_ROLLUP)}\n)`,
)

function createUpsert(name: string, more: (add: AddParameter<Aggregates>) => string) {
  return createStatement<Aggregates>(
    name,
    (add) => `
WITH rollup_merged AS (${upsertSql(add, ROLLUP)}
), outcome_by_minute AS (${upsertSql(add, OUTCOME_MINUTE)}
), outcome_in_total AS (${upsertSql(add, OUTCOME_TOTAL)}
), watermark_moved AS (${upsertSql(add, WATERMARK)}
), key_used AS (${upsertSql(add, KEY_USE)}
)${more(add)}
SELECT 1`,
  )
}

/** A batch has thousands of rows and few different times; formatting each again was 5 µs an event. */
const texts = new Map<number, string>()
const TEXTS_MAX = 1_000

function toTime(ms: number): string {
  let text = texts.get(ms)
  if (text === undefined) {
    if (texts.size >= TEXTS_MAX) texts.clear()
    text = new Date(ms).toISOString()
    texts.set(ms, text)
  }
  return text
}
