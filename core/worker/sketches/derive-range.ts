import type pg from 'pg'
import { changedBuckets } from '../../db/changed-buckets.ts'
import { storedNotifications } from '../../db/channels.ts'
import { notifyAtCommit } from '../../db/notifier.ts'
import { ALL_SERIES, SKETCH_MINUTES } from '../../db/tables/sketches.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import { mergeLevels } from './merge-levels.ts'
import { type EventSketches, STATEMENT_MS_MAX, sketchEvents } from './read-events.ts'
import {
  type DerivedRange,
  mergeParts,
  readSketches,
  type SketchRow,
  timeSql,
  writeSketches,
} from './sketch-rows.ts'

/** Between two statements thousands of sketches are merged. */
const IDLE_MS_MAX = 30_000

/**
 * Derives the sketches of a range in one transaction and of one snapshot: what rollups count and the events that they
 * count were committed together, so the sketches are of exactly `rollup_count` events.
 *
 * The crash story. Rows, the longer buckets that they are part of, and how far the tenant has come are committed
 * together or not at all, and all rows are replaced, so a range is derived again as often as one likes. An event that is
 * committed while this runs is in neither count nor sketch; its bucket was final, so its rollup is marked as revised, and
 * `findRevisedBuckets` sees another count than `rollup_count`. Two that derive the same range at once, which the lock
 * prevents, would fail with 40001.
 * @returns how many 15-minute rows were written
 */
export async function deriveRange(client: pg.ClientBase, range: DerivedRange): Promise<number> {
  await client.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ;
     SET LOCAL timezone = 'UTC'; SET LOCAL jit = off; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX};
     SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS_MAX}`,
  )
  try {
    const written = await deriveInSnapshot(client, range)
    await client.query('COMMIT')
    return written
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** In the transaction that is open, which has to be of one snapshot. @returns how many 15-minute rows were written */
export async function deriveInSnapshot(
  client: pg.ClientBase,
  range: DerivedRange,
): Promise<number> {
  const { tenantId, throughMs, isRevision } = range
  const rolledUp = await readRollups(client, range)
  const held = rolledUp.length === 0 ? new Map() : await sketchEvents(client, tenantId, range)
  const { rows, incompleteMs } = await completeRows(client, range, rolledUp, held)
  await writeSketches(client, tenantId, SKETCH_MINUTES[0], rows)
  await mergeLevels(client, range)
  await client.query(SAVE_PROGRESS(tenantId, throughMs, incompleteMs))
  if (isRevision) await notifyOf(client, tenantId, rows)
  return rows.length
}

/** What rollups count of each series and bucket, and of all together. */
async function readRollups(
  client: pg.ClientBase,
  { tenantId, fromMs, beforeMs }: DerivedRange,
): Promise<SketchRow[]> {
  const { rows } = await client.query(
    `SELECT coalesce(r.series_id, ${ALL_SERIES}) AS series_id, (extract(epoch FROM r.bucket) * 1000)::float8 AS ms,
            sum(r.count)::float8 AS count, sum(r.late_count)::float8 AS late_count, max(r.revised_at)::text AS revised_at
       FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
      WHERE s.tenant_id = ${tenantId} AND r.bucket >= ${timeSql(fromMs)} AND r.bucket < ${timeSql(beforeMs)}
      GROUP BY GROUPING SETS ((r.bucket), (r.series_id, r.bucket))`,
  )
  return rows.map((row) => ({
    seriesId: Number(row.series_id),
    bucketMs: row.ms,
    count: 0,
    rollupCount: row.count,
    lateCount: row.late_count,
    revisedAt: row.revised_at,
    actors: undefined,
    quantiles: undefined,
  }))
}

/**
 * The rows of the range. Of a bucket whose events are all held, exactly these. Where some were dropped already, what is
 * held is added to the sketches that are there: actors in any case, since that changes nothing for those that are in them
 * already; values where it is known which of them the sketches lack, see `findAdded`.
 */
async function completeRows(
  client: pg.ClientBase,
  range: DerivedRange,
  rolledUp: readonly SketchRow[],
  held: EventSketches,
): Promise<{ rows: SketchRow[]; incompleteMs: number | undefined }> {
  const missing = new Map<number, number>()
  for (const row of rolledUp) {
    const count = (row.rollupCount ?? 0) - (held.get(ALL_SERIES)?.get(row.bucketMs)?.count ?? 0)
    if (row.seriesId === ALL_SERIES && count > 0) missing.set(row.bucketMs, count)
  }
  const former = new Map<string, SketchRow>()
  const keyOf = ({ seriesId, bucketMs }: SketchRow) => `${seriesId} ${bucketMs}`
  if (missing.size > 0)
    for (const row of await readSketches(
      client,
      range.tenantId,
      SKETCH_MINUTES[0],
      range,
      undefined,
    ))
      if (missing.has(row.bucketMs)) former.set(keyOf(row), row)
  const whole = rolledUp.filter((row) => row.seriesId === ALL_SERIES && former.has(keyOf(row)))
  const pairs = whole.map((now) => ({ now, former: former.get(keyOf(now)) as SketchRow }))
  const added = await findAdded(client, range, pairs, missing, held)
  let incompleteMs: number | undefined
  const rows = rolledUp.map((row) => {
    const there = former.get(keyOf(row))
    const ofBucket = added.get(row.bucketMs)
    const events = (ofBucket ?? held).get(row.seriesId)?.get(row.bucketMs)
    if (there) addHeld(row, there, events, ofBucket !== undefined)
    else Object.assign(row, events)
    if (row.seriesId === ALL_SERIES && row.count < (row.rollupCount ?? 0))
      incompleteMs = Math.max(incompleteMs ?? row.bucketMs, row.bucketMs)
    return row
  })
  return { rows, incompleteMs }
}

/**
 * By bucket, events of which none is in the former sketch, and which complete it. All that is held, where the sketch has
 * as many events as were dropped. Else, of a sketch that lacked nothing when it was derived, those written since,
 * where these are as many as rollups count more.
 */
async function findAdded(
  client: pg.ClientBase,
  range: DerivedRange,
  pairs: readonly { now: SketchRow; former: SketchRow }[],
  missing: ReadonlyMap<number, number>,
  held: EventSketches,
): Promise<Map<number, EventSketches>> {
  const isAllHeld = ({ now, former }: (typeof pairs)[number]) =>
    missing.get(now.bucketMs) === former.count
  const added = new Map(pairs.filter(isAllHeld).map(({ now }) => [now.bucketMs, held]))
  const others = pairs.filter(
    (pair) => !isAllHeld(pair) && pair.former.count === pair.former.rollupCount,
  )
  if (others.length === 0) return added
  const since = await sketchEvents(client, range.tenantId, range, { onlyAdded: true })
  for (const { now, former } of others) {
    const count = since.get(ALL_SERIES)?.get(now.bucketMs)?.count ?? 0
    if (former.count + count === now.rollupCount) added.set(now.bucketMs, since)
  }
  return added
}

/** @param adds none of what is held is in the former sketches */
function addHeld(
  row: SketchRow,
  former: SketchRow,
  held: Pick<SketchRow, 'count' | 'actors' | 'quantiles'> | undefined,
  adds: boolean,
): void {
  const heldCount = held?.count ?? 0
  row.count = adds ? former.count + heldCount : Math.max(former.count, heldCount)
  mergeParts(row, { actors: former.actors, quantiles: undefined })
  mergeParts(row, { actors: held?.actors, quantiles: undefined })
  const [first, second] =
    (former.quantiles?.count ?? 0) >= (held?.quantiles?.count ?? 0)
      ? [former.quantiles, held?.quantiles]
      : [held?.quantiles, former.quantiles]
  mergeParts(row, { actors: undefined, quantiles: first })
  if (adds) mergeParts(row, { actors: undefined, quantiles: second })
}

const SAVE_PROGRESS = (tenantId: number, throughMs: number, incompleteMs: number | undefined) => `
  INSERT INTO sketch_progress AS p (tenant_id, derived_through, incomplete_before)
  VALUES (${tenantId}, ${timeSql(throughMs)}, ${incompleteMs === undefined ? 'NULL' : `${timeSql(incompleteMs)} + interval '15 minutes'`})
  ON CONFLICT (tenant_id) DO UPDATE SET
    derived_through = greatest(p.derived_through, EXCLUDED.derived_through),
    incomplete_before = greatest(p.incomplete_before, EXCLUDED.incomplete_before)`

/** Results that were cached since the event came have the sketch from before it. */
async function notifyOf(
  client: pg.ClientBase,
  tenantId: number,
  rows: readonly SketchRow[],
): Promise<void> {
  const changed = changedBuckets(rows.map(({ bucketMs }) => ({ tenantId, ms: bucketMs })))
  const execute: ExecuteQuery = (sql, values) => client.query(sql, values)
  await notifyAtCommit(execute, storedNotifications(changed))
}
