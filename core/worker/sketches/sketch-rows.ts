import type pg from 'pg'
import { createStatement } from '../../db/statement.ts'
import { ALL_SERIES, type SketchMinutes } from '../../db/tables/sketches.ts'
import { type Upsert, upsertSql } from '../../db/upsert.ts'
import { DDSketch } from '../../lib/sketches/ddsketch.ts'
import { HyperLogLog } from '../../lib/sketches/hyperloglog.ts'

/** A row of `sketch`, without its tenant and the length of its bucket. */
export interface SketchRow {
  seriesId: number
  bucketMs: number
  count: number
  /** Undefined in rows that are merged from others. */
  rollupCount?: number
  lateCount: number
  /** As Postgres prints it in UTC. */
  revisedAt: string | null
  actors: HyperLogLog | undefined
  quantiles: DDSketch | undefined
}

/** Half-open, in milliseconds since 1970; both ends of whole 15-minute buckets. */
export interface MsRange {
  fromMs: number
  beforeMs: number
}

/** What one transaction derives. */
export interface DerivedRange extends MsRange {
  tenantId: number
  /** Where sketches end once it is committed. */
  throughMs: number
  /** Derived before, and revised since. */
  isRevision: boolean
}

/** SQL: a time from milliseconds. */
export const timeSql = (ms: number) => `to_timestamp(${ms} / 1000.0)`

/** @param seriesIds undefined: all of the tenant's */
export async function readSketches(
  client: pg.ClientBase,
  tenantId: number,
  minutes: SketchMinutes,
  { fromMs, beforeMs }: MsRange,
  seriesIds: readonly number[] | undefined,
): Promise<SketchRow[]> {
  // By the primary key, a look-up for each series: a scan of the tenant would read all its other buckets.
  const series =
    seriesIds === undefined
      ? `(SELECT ${ALL_SERIES}::bigint AS series_id UNION ALL SELECT series_id FROM series WHERE tenant_id = ${tenantId})`
      : `unnest('{${seriesIds.join(',')}}'::bigint[])`
  const { rows } = await client.query(
    `SELECT k.series_id, (extract(epoch FROM k.bucket) * 1000)::float8 AS ms, k.count, k.rollup_count, k.late_count,
            k.revised_at::text AS revised_at, k.actors, k.quantiles
       FROM ${series} AS s (series_id) JOIN sketch k ON k.tenant_id = ${tenantId} AND k.series_id = s.series_id
      WHERE k.minutes = ${minutes} AND k.bucket >= ${timeSql(fromMs)} AND k.bucket < ${timeSql(beforeMs)}
      ORDER BY 1, 2`,
  )
  return rows.map((row) => ({
    seriesId: Number(row.series_id),
    bucketMs: row.ms,
    count: Number(row.count),
    ...(row.rollup_count === null ? {} : { rollupCount: Number(row.rollup_count) }),
    lateCount: Number(row.late_count),
    revisedAt: row.revised_at,
    actors: row.actors ? HyperLogLog.fromBytes(row.actors) : undefined,
    quantiles: row.quantiles ? DDSketch.fromBytes(row.quantiles) : undefined,
  }))
}

/** Rows of one statement; a dense one has 12 kB, as text twice that. */
const ROWS_MAX = 500

/** In place of those that are there. */
export async function writeSketches(
  client: pg.ClientBase,
  tenantId: number,
  minutes: SketchMinutes,
  rows: readonly SketchRow[],
): Promise<void> {
  for (let i = 0; i < rows.length; i += ROWS_MAX)
    await client.query(UPSERT({ tenantId, minutes, rows: rows.slice(i, i + ROWS_MAX) }))
}

interface Input {
  tenantId: number
  minutes: number
  rows: readonly SketchRow[]
}

type Written = SketchRow & { tenantId: number; minutes: number }

const SKETCH: Upsert<Input, Written> = {
  table: 'sketch',
  rows: ({ tenantId, minutes, rows }) => rows.map((row) => ({ ...row, tenantId, minutes })),
  key: [
    { name: 'tenant_id', type: 'int', value: (row) => row.tenantId },
    { name: 'series_id', type: 'bigint', value: (row) => row.seriesId },
    { name: 'minutes', type: 'int', value: (row) => row.minutes },
    {
      name: 'bucket',
      type: 'timestamptz',
      value: (row) => new Date(row.bucketMs).toISOString(),
    },
  ],
  columns: [
    { name: 'count', type: 'bigint', value: (row) => row.count, merge: 'replace' },
    {
      name: 'rollup_count',
      type: 'bigint',
      value: (row) => row.rollupCount ?? null,
      merge: 'replace',
    },
    { name: 'late_count', type: 'bigint', value: (row) => row.lateCount, merge: 'replace' },
    {
      name: 'revised_at',
      type: 'timestamptz',
      value: (row) => (row.revisedAt === null ? null : `"${row.revisedAt}"`),
      merge: 'replace',
    },
    {
      name: 'actors',
      type: 'bytea',
      value: (row) => row.actors?.toBytes() ?? null,
      merge: 'replace',
    },
    {
      name: 'quantiles',
      type: 'bytea',
      value: (row) => row.quantiles?.toBytes() ?? null,
      merge: 'replace',
    },
  ],
}

const UPSERT = createStatement<Input>(undefined, (add) => upsertSql(add, SKETCH))

/** The sketch of all of these, of a bucket that they are parts of. */
export function mergeSketches(
  seriesId: number,
  bucketMs: number,
  parts: readonly SketchRow[],
): SketchRow {
  const merged: SketchRow = {
    seriesId,
    bucketMs,
    count: 0,
    lateCount: 0,
    revisedAt: null,
    actors: undefined,
    quantiles: undefined,
  }
  for (const part of parts) {
    merged.count += part.count
    merged.lateCount += part.lateCount
    merged.revisedAt = later(merged.revisedAt, part.revisedAt)
    mergeParts(merged, part)
  }
  return merged
}

type Parts = Pick<SketchRow, 'actors' | 'quantiles'>

/** @param into becomes that of both */
export function mergeParts(into: Parts, { actors, quantiles }: Parts): void {
  if (actors) {
    into.actors ??= new HyperLogLog()
    into.actors.merge(actors)
  }
  if (quantiles) {
    into.quantiles ??= new DDSketch()
    into.quantiles.merge(quantiles)
  }
}

/** Times in UTC compare as text: what follows a shorter fraction, a plus, comes before any digit. */
function later(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}
