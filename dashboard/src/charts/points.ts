/** One bucket as the chart and the table show it. */
export interface Point {
  /** Start of the bucket, milliseconds. */
  time: number
  value: number
  /** No event will change it any more, unless a late one does. */
  isFinal: boolean
  lateCount: number
}

/** It was final, and a late event changed it all the same. */
export const isRevised = (point: Point): boolean => point.isFinal && point.lateCount > 0

export interface MetricPoint {
  timestamp: string
  value: number
  isFinal: boolean
  lateCount: number
}

/**
 * The server leaves out buckets without events; a chart must not. The watermark only moves forward,
 * so a bucket without events is final as soon as a later one is, and no tenant waits for a day.
 */
export function fillGaps(buckets: number[], points: MetricPoint[]): Point[] {
  const known = new Map(points.map((point) => [Date.parse(point.timestamp), point]))
  let finalUntil = Number.NEGATIVE_INFINITY
  for (const [time, point] of known) if (point.isFinal && time > finalUntil) finalUntil = time
  const newest = Math.max(...known.keys())
  return buckets.map((time, i) => {
    const point = known.get(time)
    const end = buckets[i + 1] ?? Number.POSITIVE_INFINITY
    const isFinal = time <= finalUntil || end <= newest - LATENESS_MS_LIKELY
    if (point === undefined) return { time, value: 0, isFinal, lateCount: 0 }
    return { time, value: point.value, isFinal: point.isFinal, lateCount: point.lateCount }
  })
}

const LATENESS_MS_LIKELY = 24 * 3_600_000

/** What is left of the whole when the named parts are taken away; never below zero. */
export function remainder(whole: Point[], parts: Point[][]): Point[] {
  return whole.map((point, i) => ({
    ...point,
    value: Math.max(0, point.value - parts.reduce((sum, part) => sum + (part[i]?.value ?? 0), 0)),
  }))
}
