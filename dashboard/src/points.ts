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
 * so a bucket without events is final as soon as a later one is.
 */
export function fillGaps(buckets: number[], points: MetricPoint[]): Point[] {
  const known = new Map(points.map((point) => [Date.parse(point.timestamp), point]))
  let finalUntil = Number.NEGATIVE_INFINITY
  for (const [time, point] of known) if (point.isFinal && time > finalUntil) finalUntil = time
  return buckets.map((time) => {
    const point = known.get(time)
    if (point === undefined) return { time, value: 0, isFinal: time <= finalUntil, lateCount: 0 }
    return { time, value: point.value, isFinal: point.isFinal, lateCount: point.lateCount }
  })
}

/** What is left of the whole when the named parts are taken away; never below zero. */
export function remainder(whole: Point[], parts: Point[][]): Point[] {
  return whole.map((point, i) => ({
    ...point,
    value: Math.max(0, point.value - parts.reduce((sum, part) => sum + (part[i]?.value ?? 0), 0)),
  }))
}
