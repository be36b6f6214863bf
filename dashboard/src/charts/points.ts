import { BUCKET_15M_MS, bucketEnd, type ResolvedRange } from '../lib/time/range.ts'

/** One bucket as charts and tables show it. */
export interface Point {
  /** Start of the bucket, milliseconds. */
  time: number
  value: number
  /** Only late events can still change it. */
  isFinal: boolean
  lateCount: number
}

/** A late event changed the bucket after it was final. */
export const isRevised = (point: Point): boolean => point.isFinal && point.lateCount > 0

/** One bucket as the server returns it. */
export interface MetricPoint {
  timestamp: string
  value: number
  isFinal: boolean
  lateCount: number
}

/**
 * The server leaves out buckets without events; a chart shows them as 0.
 * @param finalThrough buckets that end by then are final, as returned with the points; milliseconds
 * @param empty the value of a bucket without events; NaN where it has none, as an average
 */
export function fillEmptyBuckets(
  {
    buckets,
    resolution,
    zone,
    window,
  }: Pick<ResolvedRange, 'buckets' | 'resolution' | 'zone' | 'window'>,
  points: readonly MetricPoint[],
  finalThrough: number | undefined,
  empty = 0,
): Point[] {
  const known = new Map(points.map((point) => [Date.parse(point.timestamp), point]))
  // Whether an event is late is decided by 15-minute buckets, so a range ends with a whole one.
  const rangeEnd = Math.ceil(window.to / BUCKET_15M_MS) * BUCKET_15M_MS
  return buckets.map((time, i) => {
    const point = known.get(time)
    if (point)
      return { time, value: point.value, isFinal: point.isFinal, lateCount: point.lateCount }
    const end = Math.min(buckets[i + 1] ?? bucketEnd(time, resolution, zone), rangeEnd)
    return {
      time,
      value: empty,
      isFinal: finalThrough !== undefined && end <= finalThrough,
      lateCount: 0,
    }
  })
}

/** What is left of the whole without the named parts; never below zero. */
export function remainder(whole: Point[], parts: Point[][]): Point[] {
  return whole.map((point, i) => ({
    ...point,
    value: Math.max(0, point.value - parts.reduce((sum, part) => sum + (part[i]?.value ?? 0), 0)),
  }))
}
