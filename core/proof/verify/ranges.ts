import { DAY_MS } from '../../db/day-partitions.ts'
import type { VerifyContext } from './part.ts'

export interface MsRange {
  fromMs: number
  toMs: number
}

const BUCKET_MS = 900_000
/** From when on a range without a beginning is cut in two. */
const STEP_MS = 30 * DAY_MS

/**
 * Days in which events occurred, one range each, and what is before and after the days of receipt. Of buckets before the
 * first complete one some events were dropped: they cannot be counted again.
 */
export function occurredRanges(context: VerifyContext, byDay = !context.isSmall): MsRange[] {
  const { days, droppedThrough, fromMs, toMs } = context
  const completeMs = completeFromMs(droppedThrough)
  const starts = days.map((day) => day * DAY_MS)
  const last = starts.at(-1)
  const cuts = [Number.NEGATIVE_INFINITY, ...(byDay ? starts : [])]
  if (byDay && last !== undefined) cuts.push(last + DAY_MS)
  return cuts
    .map((cut, i) => ({
      fromMs: Math.max(cut, completeMs, fromMs),
      toMs: Math.min(cuts[i + 1] ?? Number.POSITIVE_INFINITY, toMs),
    }))
    .filter((range) => range.fromMs < range.toMs)
}

/** An event may occur minutes after it was received. */
function completeFromMs(droppedThrough: number | undefined): number {
  return droppedThrough === undefined
    ? Number.NEGATIVE_INFINITY
    : (droppedThrough + 1) * DAY_MS + BUCKET_MS
}

/** What can still be counted of a range after days up to this one were dropped; undefined: nothing. */
export function cutToHeld(
  { fromMs, toMs }: MsRange,
  droppedThrough: number | undefined,
): MsRange | undefined {
  const from = Math.max(fromMs, completeFromMs(droppedThrough))
  return from < toMs ? { fromMs: from, toMs } : undefined
}

/** Whether all of these days are held after days up to this one were dropped. */
export function areHeld(days: readonly number[], droppedThrough: number | undefined): boolean {
  return droppedThrough === undefined || days.every((day) => day > droppedThrough)
}

/** Days of receipt that the range touches. */
export function receivedDays({ days, fromMs, toMs }: VerifyContext): number[] {
  return days.filter((day) => (day + 1) * DAY_MS > fromMs && day * DAY_MS < toMs)
}

/** In two halves of whole buckets; undefined where it is a single one. */
export function halve({ fromMs, toMs }: MsRange): MsRange[] | undefined {
  const from = Number.isFinite(fromMs) ? fromMs : undefined
  const to = Number.isFinite(toMs) ? toMs : undefined
  const middle =
    from !== undefined && to !== undefined
      ? Math.floor((from + to) / 2 / BUCKET_MS) * BUCKET_MS
      : to !== undefined
        ? to - STEP_MS
        : (from ?? 0) + STEP_MS
  if (middle <= fromMs || middle >= toMs) return undefined
  // Nothing that is older can be found by going on.
  if (from === undefined && middle < 0) return undefined
  return [
    { fromMs, toMs: middle },
    { fromMs: middle, toMs },
  ]
}

export function nameOfRange({ fromMs, toMs }: MsRange): string {
  const nameOf = (ms: number) => (Number.isFinite(ms) ? new Date(ms).toISOString() : '')
  return `${nameOf(fromMs)}/${nameOf(toMs)}`
}
