import { createHash } from 'node:crypto'
import type pg from 'pg'
import { DAY_MS, isoDay } from '../../../db/day-partitions.ts'
import { ALL_SERIES, SKETCH_MINUTES, type SketchMinutes } from '../../../db/tables/sketches.ts'
import { watermarkSql } from '../../../db/watermark.ts'
import { sketchEvents } from '../../../worker/sketches/read-events.ts'
import {
  mergeSketches,
  readSketches,
  type SketchRow,
} from '../../../worker/sketches/sketch-rows.ts'
import { addDifference, emptyResult, type PartResult } from '../difference.ts'
import { type Check, type Part, REVISION_MINUTES, timeLiteral } from '../part.ts'
import { cutToHeld, type MsRange, occurredRanges } from '../ranges.ts'

/** Sketches against the single events of their buckets, by tenant and day; longer ones against the shorter ones. */
export const checkSketches: Check = async (context, client) => {
  const { rows } = await client.query<{ tenant_id: number; through: number }>(
    `SELECT tenant_id, (extract(epoch FROM derived_through) * 1000)::float8 AS through FROM sketch_progress
      WHERE $1::int IS NULL OR tenant_id = $1 ORDER BY 1`,
    [context.tenantId ?? null],
  )
  const days = occurredRanges(context, true).filter(({ fromMs, toMs }) =>
    Number.isFinite(fromMs + toMs),
  )
  return rows.flatMap(({ tenant_id, through }) =>
    days
      .map(({ fromMs, toMs }) => ({ fromMs, toMs: Math.min(toMs, through) }))
      .filter(({ fromMs, toMs }) => fromMs < toMs)
      .map((range) => sketchPart(tenant_id, range)),
  )
}

function sketchPart(tenantId: number, range: MsRange): Part {
  return {
    name: `sketches ${tenantId} ${isoDay(Math.floor(range.fromMs / DAY_MS))}`,
    run: async (client, droppedThrough) => {
      const held = cutToHeld(range, droppedThrough)
      return held ? compareSketches(client, tenantId, held) : emptyResult()
    },
  }
}

interface CurrentBucket {
  count: number
  /** Its sketch may be about to be derived again. */
  isPending: boolean
}

async function compareSketches(
  client: pg.ClientBase,
  tenantId: number,
  { fromMs, toMs }: MsRange,
): Promise<PartResult> {
  const result = emptyResult()
  const range = { fromMs, beforeMs: toMs }
  const names = await readNames(client, tenantId)
  const report = (
    minutes: number,
    seriesId: number,
    bucketMs: number,
    stored: string | null,
    recounted: string | null,
  ) =>
    addDifference(result, {
      ...{ kind: 'sketch', tenant: tenantId, bucket: new Date(bucketMs).toISOString() },
      metric: `${names.get(seriesId) ?? 'all names'}, ${minutes} min`,
      ...{ stored, recounted },
    })
  const rollups = await readRollups(client, tenantId, range)
  const events = await sketchEvents(client, tenantId, range)
  const stored = await readStored(client, tenantId, SKETCH_MINUTES[0], range, report)
  const keyOf = (seriesId: number, bucketMs: number) => `${seriesId} ${bucketMs}`
  const known = new Map(stored.map((row) => [keyOf(row.seriesId, row.bucketMs), row]))
  for (const [key, { count, isPending }] of rollups) {
    result.checked++
    const [seriesId = 0, bucketMs = 0] = key.split(' ').map(Number)
    const row = known.get(key)
    known.delete(key)
    if (isPending) continue
    const held = events.get(seriesId)?.get(bucketMs)
    const expected = `${count} ${digest({ ...held, seriesId, bucketMs })}`
    if (!row) report(15, seriesId, bucketMs, null, expected)
    else if (
      row.count !== count ||
      row.rollupCount !== count ||
      digest(row) !== digest({ ...held, seriesId, bucketMs })
    )
      report(15, seriesId, bucketMs, `${row.count} of ${row.rollupCount} ${digest(row)}`, expected)
  }
  for (const row of known.values())
    report(15, row.seriesId, row.bucketMs, `${row.count} ${digest(row)}`, null)
  await compareLonger(client, tenantId, range, report)
  return result
}

type Report = (
  minutes: number,
  seriesId: number,
  bucketMs: number,
  stored: string | null,
  recounted: string | null,
) => void

/** Longer buckets that end within the range, against what they were merged from. */
async function compareLonger(
  client: pg.ClientBase,
  tenantId: number,
  range: { fromMs: number; beforeMs: number },
  report: Report,
): Promise<void> {
  for (let level = 1; level < SKETCH_MINUTES.length; level++) {
    const minutes = SKETCH_MINUTES[level] as SketchMinutes
    const spanMs = minutes * 60_000
    const whole = {
      fromMs: Math.ceil(range.fromMs / spanMs) * spanMs,
      beforeMs: Math.floor(range.beforeMs / spanMs) * spanMs,
    }
    if (whole.fromMs >= whole.beforeMs) continue
    const parts = await readStored(
      client,
      tenantId,
      SKETCH_MINUTES[level - 1] as SketchMinutes,
      whole,
      () => {},
    )
    const groups = Map.groupBy(
      parts,
      ({ seriesId, bucketMs }) => `${seriesId} ${Math.floor(bucketMs / spanMs) * spanMs}`,
    )
    for (const row of await readStored(client, tenantId, minutes, whole, report)) {
      const key = `${row.seriesId} ${row.bucketMs}`
      const merged = mergeSketches(row.seriesId, row.bucketMs, groups.get(key) ?? [])
      groups.delete(key)
      if (row.count !== merged.count || digest(row) !== digest(merged))
        report(
          minutes,
          row.seriesId,
          row.bucketMs,
          `${row.count} ${digest(row)}`,
          `${merged.count} ${digest(merged)}`,
        )
    }
    for (const [key, rows] of groups) {
      const [seriesId = 0, bucketMs = 0] = key.split(' ').map(Number)
      const merged = mergeSketches(seriesId, bucketMs, rows)
      report(minutes, seriesId, bucketMs, null, `${merged.count} ${digest(merged)}`)
    }
  }
}

/** As readSketches; bytes that cannot be read are a difference. */
async function readStored(
  client: pg.ClientBase,
  tenantId: number,
  minutes: SketchMinutes,
  range: { fromMs: number; beforeMs: number },
  report: Report,
): Promise<SketchRow[]> {
  try {
    return await readSketches(client, tenantId, minutes, range, undefined)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'SKETCH_FORMAT') throw error
    report(minutes, ALL_SERIES, range.fromMs, (error as Error).message, 'a sketch')
    return []
  }
}

/** What a sketch holds, in short. */
function digest({ actors, quantiles }: Partial<SketchRow>): string {
  const hex = (bytes: Buffer | undefined) =>
    bytes ? createHash('sha256').update(bytes).digest('hex').slice(0, 8) : '-'
  return `${hex(actors?.toBytes())} ${hex(quantiles?.toBytes())}`
}

async function readNames(client: pg.ClientBase, tenantId: number): Promise<Map<number, string>> {
  const { rows } = await client.query('SELECT series_id, metric FROM series WHERE tenant_id = $1', [
    tenantId,
  ])
  return new Map(rows.map((row) => [Number(row.series_id), row.metric]))
}

async function readRollups(
  client: pg.ClientBase,
  tenantId: number,
  { fromMs, beforeMs }: { fromMs: number; beforeMs: number },
): Promise<Map<string, CurrentBucket>> {
  const { rows } = await client.query(
    `SELECT coalesce(r.series_id, ${ALL_SERIES}) AS series_id, (extract(epoch FROM r.bucket) * 1000)::float8 AS ms, sum(r.count)::float8 AS count,
            coalesce(bool_or(r.revised_at > clock_timestamp() - interval '${REVISION_MINUTES} minutes'), false)
            OR coalesce(r.bucket + interval '15 minutes' > max(w.watermark), true) AS is_pending
       FROM rollup_15m r CROSS JOIN (SELECT ${watermarkSql(String(tenantId))} AS watermark) w
      WHERE r.tenant_id = ${tenantId} AND r.bucket >= ${timeLiteral(fromMs)} AND r.bucket < ${timeLiteral(beforeMs)}
      GROUP BY GROUPING SETS ((r.bucket), (r.series_id, r.bucket))`,
  )
  return new Map(
    rows.map((row) => [
      `${Number(row.series_id)} ${row.ms}`,
      { count: row.count, isPending: row.is_pending },
    ]),
  )
}
