import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { DAYS } from '../../db/partitions.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import {
  ALL_SERIES,
  binSql,
  HIGH_SQL,
  hashSql,
  LOW_SQL,
  SKETCH_MINUTES,
} from '../../db/tables/sketches.ts'
import { DDSketch } from '../../lib/sketches/ddsketch.ts'
import { HyperLogLog } from '../../lib/sketches/hyperloglog.ts'
import { type MsRange, timeSql } from './sketch-rows.ts'

/** What the events of one series and 15-minute bucket add up to. */
export interface EventSketch {
  count: number
  actors: HyperLogLog | undefined
  quantiles: DDSketch | undefined
}

/** By series, then by the start of the bucket in milliseconds; ALL_SERIES has all names. */
export type EventSketches = Map<number, Map<number, EventSketch>>

/** Reading an hour of a thousand events a second takes ten seconds. */
export const STATEMENT_MS_MAX = 60_000
/** Each is some milliseconds of this process' time, in which nothing else happens. */
const FETCH_ROWS = 5_000

/**
 * Sketches of the events that are held of a tenant's range. Postgres groups them by actor and by bin, so this process
 * reads as many rows as there are different actors, never the events themselves; a cursor bounds what is in memory.
 * @param client in a transaction
 * @param options.onlyAdded those written after the sketches of their buckets, see `whereAdded`
 */
export async function sketchEvents(
  client: pg.ClientBase,
  tenantId: number,
  range: MsRange,
  { onlyAdded = false } = {},
): Promise<EventSketches> {
  const sketches: EventSketches = new Map()
  const events = eventsSql(tenantId, range) + (onlyAdded ? whereAdded(tenantId) : '')
  await forEachRow(client, actorsSql(tenantId, events), (row) => {
    const [series, bucket, high, low, count] = row as [
      string | null,
      number,
      number,
      number,
      number,
    ]
    for (const sketch of sketchesOf(sketches, series, bucket)) {
      sketch.count += count
      if (high === null) continue
      sketch.actors ??= new HyperLogLog()
      sketch.actors.addHash(high, low)
    }
  })
  await forEachRow(client, binsSql(tenantId, events), (row) => {
    const [series, bucket, bin, count, min, max] = row as [string | null, ...number[]]
    for (const sketch of sketchesOf(sketches, series, bucket as number)) {
      sketch.quantiles ??= new DDSketch()
      sketch.quantiles.addBin(bin as number, count as number, min as number, max as number)
    }
  })
  return sketches
}

async function forEachRow(
  client: pg.ClientBase,
  select: string,
  handle: (row: unknown[]) => void,
): Promise<void> {
  await client.query(`DECLARE sketch_events NO SCROLL CURSOR FOR ${select}`)
  for (;;) {
    const { rows } = await client.query({
      text: `FETCH ${FETCH_ROWS} FROM sketch_events`,
      rowMode: 'array',
      query_timeout: STATEMENT_MS_MAX + 5_000,
    } as pg.QueryArrayConfig)
    for (const row of rows) handle(row)
    if (rows.length < FETCH_ROWS) break
  }
  await client.query('CLOSE sketch_events')
}

function sketchesOf(sketches: EventSketches, series: string | null, bucket: number): EventSketch[] {
  const ids = series === null ? [ALL_SERIES] : [ALL_SERIES, Number(series)]
  return ids.map((id) => {
    let buckets = sketches.get(id)
    if (!buckets) {
      buckets = new Map()
      sketches.set(id, buckets)
    }
    const ms = bucket * BUCKET_15M_MS
    let sketch = buckets.get(ms)
    if (!sketch) {
      sketch = { count: 0, actors: undefined, quantiles: undefined }
      buckets.set(ms, sketch)
    }
    return sketch
  })
}

const BUCKET = `(extract(epoch FROM date_bin('15 minutes', e.occurred_at, 'epoch')) / ${BUCKET_15M_MS / 1000})::int`
const FUTURE = `interval '${LIMITS.futureSecondsMax} s'`

function eventsSql(tenantId: number, { fromMs, beforeMs }: MsRange): string {
  const firstDay = DAYS.startOf(DAYS.numberOf(Math.max(0, fromMs - LIMITS.futureSecondsMax * 1000)))
  return `event e
   WHERE e.tenant_id = ${tenantId} AND e.occurred_at >= ${timeSql(fromMs)} AND e.occurred_at < ${timeSql(beforeMs)}
     AND e.received_at >= ${timeSql(fromMs)} - ${FUTURE} AND e.received_on >= date '${firstDay}'`
}

/**
 * Written by a transaction that got its id after the one that wrote the sketch. None of these is in it: an event that it
 * saw was committed before, so its id is lower. Some that it did not see may be missing here, of transactions that were
 * open at that time: the count shows it.
 */
const whereAdded = (tenantId: number) => `
     AND EXISTS (SELECT FROM sketch k
                  WHERE k.tenant_id = ${tenantId} AND k.series_id = ${ALL_SERIES} AND k.minutes = ${SKETCH_MINUTES[0]}
                    AND k.bucket = date_bin('15 minutes', e.occurred_at, 'epoch') AND age(e.xmin) < age(k.xmin))`

/** Names without a series of their own share one, as they do in rollups. */
const seriesSql = (tenantId: number, name: string) => `
  LEFT JOIN series own ON own.tenant_id = ${tenantId} AND own.metric = ${name}
  LEFT JOIN series shared ON shared.tenant_id = ${tenantId} AND shared.metric = '${OTHER_METRIC}' AND own.series_id IS NULL`

function actorsSql(tenantId: number, events: string): string {
  return `
    SELECT coalesce(own.series_id, shared.series_id), a.bucket, ${HIGH_SQL('a.hash')}, ${LOW_SQL('a.hash')}, a.count
      FROM (SELECT d.name, d.bucket, ${hashSql('d.actor')} AS hash, d.count
              FROM (SELECT e.name, ${BUCKET} AS bucket, e.actor, count(*)::float8 AS count
                      FROM ${events} GROUP BY 1, 2, 3) d OFFSET 0) a
      ${seriesSql(tenantId, 'a.name')}`
}

function binsSql(tenantId: number, events: string): string {
  // Neither infinite nor NaN, which Postgres sorts behind infinity.
  return `
    SELECT coalesce(own.series_id, shared.series_id), b.bucket, b.bin, b.count, b.min, b.max
      FROM (SELECT e.name, ${BUCKET} AS bucket, ${binSql('e.value')} AS bin, count(*)::float8 AS count,
                   min(e.value) AS min, max(e.value) AS max
              FROM ${events} AND e.value > '-Infinity' AND e.value < 'Infinity' GROUP BY 1, 2, 3) b
      ${seriesSql(tenantId, 'b.name')}`
}
