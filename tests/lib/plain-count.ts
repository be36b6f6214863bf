import { DateTime } from 'luxon'

/** What an answer is recounted from: an event as it was sent. */
export interface PlainEvent {
  name: string
  occurredMs: number
  actor?: string
  source?: string
  value?: number
  properties: Record<string, string>
}

export interface PlainQuery {
  /** undefined: all names */
  name: string | undefined
  startMs: number
  endMs: number
  interval: 'MINUTE' | 'QUARTER_HOUR' | 'HOUR' | 'DAY' | 'WEEK' | 'MONTH' | 'TOTAL'
  timeZone: string
  aggregate: 'COUNT' | 'SUM' | 'MIN' | 'MAX' | 'AVG' | 'UNIQUES' | 'P50' | 'P95' | 'P99'
  groupBy: readonly string[]
  filter: readonly { dimension: string; in: readonly string[] }[]
}

/** Groups beyond these are counted together. */
const GROUPS_MAX = 100
const QUARTER_HOUR_MS = 900_000

/**
 * The points of a metrics query by plain loops, without SQL: `bucket|group|…` ▶ value.
 * Buckets without a value are left out, and groups beyond the largest hundred are `(other)`.
 */
export function countPlainly(
  events: readonly PlainEvent[],
  query: PlainQuery,
): Map<string, number> {
  const matching = events.filter((event) => matches(event, query))
  const groupOf = groupNames(matching, query)
  const points = new Map<string, PlainEvent[]>()
  for (const event of matching) {
    const start = startOfBucket(event.occurredMs, query)
    const key = [new Date(start).toISOString(), ...groupOf(event)].join('|')
    const members = points.get(key)
    if (members) members.push(event)
    else points.set(key, [event])
  }
  const values = new Map<string, number>()
  for (const [key, members] of points) {
    const value = aggregate(members, query.aggregate)
    if (value !== undefined) values.set(key, value)
  }
  return values
}

function matches(event: PlainEvent, { name, startMs, endMs, filter }: PlainQuery): boolean {
  if (name !== undefined && event.name !== name) return false
  if (event.occurredMs < startMs || event.occurredMs >= endMs) return false
  return filter.every(({ dimension, in: values }) => {
    const value = dimensionOf(event, dimension)
    return value !== undefined && values.includes(value)
  })
}

/** How each event's group is shown: its dimensions, or `(other)` for each of them. */
function groupNames(
  events: readonly PlainEvent[],
  { groupBy }: PlainQuery,
): (event: PlainEvent) => string[] {
  const dimensions = (event: PlainEvent) =>
    groupBy.map((dimension) => dimensionOf(event, dimension) ?? 'null')
  const counts = new Map<string, number>()
  for (const event of events) {
    const key = dimensions(event).join('|')
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  const listed = new Set(
    [...counts]
      .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
      .slice(0, GROUPS_MAX)
      .map(([key]) => key),
  )
  return (event) => {
    const own = dimensions(event)
    return listed.has(own.join('|')) ? own : own.map(() => '(other)')
  }
}

function dimensionOf(event: PlainEvent, dimension: string): string | undefined {
  if (dimension === 'name' || dimension === 'actor' || dimension === 'source')
    return event[dimension]
  return event.properties[dimension]
}

function startOfBucket(
  ms: number,
  { interval, timeZone, startMs }: Pick<PlainQuery, 'interval' | 'timeZone' | 'startMs'>,
): number {
  if (interval === 'TOTAL') return startMs
  if (interval === 'MINUTE') return Math.floor(ms / 60_000) * 60_000
  if (interval === 'QUARTER_HOUR') return Math.floor(ms / QUARTER_HOUR_MS) * QUARTER_HOUR_MS
  const unit = interval.toLowerCase() as 'hour' | 'day' | 'week' | 'month'
  return DateTime.fromMillis(ms, { zone: timeZone }).startOf(unit).toMillis()
}

function aggregate(
  events: readonly PlainEvent[],
  kind: PlainQuery['aggregate'],
): number | undefined {
  if (kind === 'COUNT') return events.length
  if (kind === 'UNIQUES') {
    const actors = new Set(events.flatMap(({ actor }) => (actor === undefined ? [] : [actor])))
    return actors.size
  }
  const values = events.flatMap(({ value }) => (value === undefined ? [] : [value]))
  const sum = values.reduce((total, value) => total + value, 0)
  if (kind === 'SUM') return sum
  if (values.length === 0) return undefined
  if (kind === 'AVG') return sum / values.length
  const sorted = values.toSorted((a, b) => a - b)
  if (kind === 'MIN') return sorted[0]
  if (kind === 'MAX') return sorted.at(-1)
  return percentile(sorted, Number(kind.slice(1)) / 100)
}

/** Between the two nearest values by their distance, as SQL's percentile_cont defines it. */
function percentile(sorted: readonly number[], fraction: number): number {
  const rank = fraction * (sorted.length - 1)
  const below = sorted[Math.floor(rank)] as number
  const above = sorted[Math.ceil(rank)] as number
  return below + (above - below) * (rank - Math.floor(rank))
}
