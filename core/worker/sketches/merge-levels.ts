import type pg from 'pg'
import { SKETCH_MINUTES } from '../../db/tables/sketches.ts'
import {
  type DerivedRange,
  mergeSketches,
  readSketches,
  type SketchRow,
  writeSketches,
} from './sketch-rows.ts'

/**
 * Merges the longer buckets that the range is part of, each from the next shorter ones. Only those that end where
 * sketches end or before: a reader that finds a day finds all of it.
 */
export async function mergeLevels(client: pg.ClientBase, range: DerivedRange): Promise<void> {
  const { tenantId, fromMs, beforeMs, throughMs } = range
  for (let level = 1; level < SKETCH_MINUTES.length; level++) {
    const minutes = SKETCH_MINUTES[level] as (typeof SKETCH_MINUTES)[number]
    const spanMs = minutes * 60_000
    const floor = (ms: number) => Math.floor(ms / spanMs) * spanMs
    const merged = {
      fromMs: floor(fromMs),
      beforeMs: Math.min(floor(beforeMs - 1) + spanMs, floor(throughMs)),
    }
    if (merged.fromMs >= merged.beforeMs) continue
    const shorter = SKETCH_MINUTES[level - 1] as (typeof SKETCH_MINUTES)[number]
    const parts = await readSketches(client, tenantId, shorter, merged, undefined)
    // Sorted by series and time: what belongs together is next to each other.
    const rows: SketchRow[] = []
    for (let from = 0, before = 0; from < parts.length; from = before) {
      const { seriesId, bucketMs } = parts[from] as SketchRow
      const longer = floor(bucketMs)
      while (parts[before]?.seriesId === seriesId && floor(parts[before]?.bucketMs ?? 0) === longer)
        before++
      rows.push(mergeSketches(seriesId, longer, parts.slice(from, before)))
    }
    await writeSketches(client, tenantId, minutes, rows)
  }
}
