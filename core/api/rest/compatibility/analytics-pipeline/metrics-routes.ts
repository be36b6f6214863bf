import { createRoute, z } from '@hono/zod-openapi'
import {
  type App,
  type CompatibilityDeps,
  isoTime,
  lastSeconds,
  onlyTenant,
  responsesOf,
  round,
} from '../shared.ts'

const WINDOW_S = 300
const HOUR_S = 3_600
const DAY_S = 86_400

const REALTIME = `query RealtimeMetrics($tenant: ID) {
  recentBuckets(tenant: $tenant, windowSeconds: ${WINDOW_S}, bucketSeconds: 10) { timestamp name count }
}`

const HOURLY = `query HourlyMetrics($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
  metrics(tenant: $tenant, name: "*", startTime: $startTime, endTime: $endTime, interval: HOUR, groupBy: ["name"]) {
    timestamp value dimensions
  }
}`

const SUMMARY = `query SummaryMetrics($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
  totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 3) { count uniqueActors names { name count } }
}`

const bucketsOf = (summary: z.ZodRawShape) =>
  z.object({
    timeRange: z.string(),
    buckets: z.array(
      z.object({
        timestamp: z.string().openapi({ format: 'date-time' }),
        counts: z.record(z.string(), z.number()).openapi({ description: 'By event type.' }),
      }),
    ),
    summary: z.object({ total_events: z.number(), ...summary }),
  })

const realtime = createRoute({
  method: 'get',
  path: '/metrics/realtime',
  tags: ['Analytics-Pipeline'],
  summary: 'The last 5 minutes in buckets of 10 seconds',
  description: 'Newest first, by the time of occurrence; buckets without events are left out.',
  request: { query: onlyTenant },
  responses: responsesOf('The buckets.', bucketsOf({ eventsPerSecond: z.number() })),
})

const hourly = createRoute({
  method: 'get',
  path: '/metrics/hourly',
  tags: ['Analytics-Pipeline'],
  summary: 'The last 24 hours by the hour',
  description: 'Newest first, by the time of occurrence; the first hour is the one still open.',
  request: { query: onlyTenant },
  responses: responsesOf('The buckets.', bucketsOf({ events_per_second: z.number() })),
})

const summary = createRoute({
  method: 'get',
  path: '/metrics/summary',
  tags: ['Analytics-Pipeline'],
  summary: 'The last hour',
  request: { query: onlyTenant },
  responses: responsesOf(
    'Totals.',
    z.object({
      last_hour: z.object({
        total_events: z.number(),
        unique_users: z.number().nullable().openapi({
          description: 'Null where single events of the hour are no longer held.',
        }),
        events_per_second: z.number(),
        top_events: z.array(z.object({ type: z.string(), count: z.number() })),
      }),
    }),
  ),
})

interface Counted {
  timestamp: string
  name: string
  count: number
}

interface HourlyPoint {
  timestamp: string
  value: number
  dimensions: { name: string }
}

interface SummaryData {
  totals: {
    count: number
    uniqueActors: number | null
    names: { name: string; count: number }[]
  }
}

export function addAnalyticsMetrics(app: App, { runOperation, now }: CompatibilityDeps): void {
  app.openapi(realtime, async (c) => {
    const { tenant } = c.req.valid('query')
    const { data } = await runOperation<{ recentBuckets: Counted[] }>(c, REALTIME, { tenant })
    const total = totalOf(data.recentBuckets)
    const summary = { total_events: total, eventsPerSecond: round(total / WINDOW_S, 2) }
    return c.json({ timeRange: '5m', buckets: nest(data.recentBuckets), summary }, 200)
  })

  app.openapi(hourly, async (c) => {
    const { tenant } = c.req.valid('query')
    const { startTime, endTime } = lastSeconds(now, DAY_S)
    // Whole hours, of which the newest is still open.
    const firstHour = Math.ceil(Date.parse(startTime) / (HOUR_S * 1000)) * HOUR_S * 1000
    const variables = { tenant, startTime: isoTime(firstHour), endTime }
    const { data } = await runOperation<{ metrics: HourlyPoint[] }>(c, HOURLY, variables)
    const counted = data.metrics
      .map(({ timestamp, value, dimensions }) => ({
        timestamp,
        name: dimensions.name,
        count: value,
      }))
      .sort((a, b) => Date.parse(b.timestamp) - Date.parse(a.timestamp))
    const total = totalOf(counted)
    const summary = { total_events: total, events_per_second: round(total / DAY_S, 2) }
    return c.json({ timeRange: '24h', buckets: nest(counted), summary }, 200)
  })

  app.openapi(summary, async (c) => {
    const { tenant } = c.req.valid('query')
    const variables = { tenant, ...lastSeconds(now, HOUR_S) }
    const { data } = await runOperation<SummaryData>(c, SUMMARY, variables)
    const { count, uniqueActors, names } = data.totals
    const body = {
      last_hour: {
        total_events: count,
        unique_users: uniqueActors,
        events_per_second: round(count / HOUR_S, 2),
        top_events: names.map(({ name, count }) => ({ type: name, count })),
      },
    }
    return c.json(body, 200)
  })
}

function totalOf(counted: readonly Counted[]): number {
  return counted.reduce((sum, { count }) => sum + count, 0)
}

/** Rows of one bucket follow each other. */
function nest(counted: readonly Counted[]) {
  const buckets: { timestamp: string; counts: Record<string, number> }[] = []
  for (const { timestamp, name, count } of counted) {
    const at = isoTime(timestamp)
    if (buckets.at(-1)?.timestamp !== at) buckets.push({ timestamp: at, counts: noCounts() })
    const { counts } = buckets.at(-1) as (typeof buckets)[number]
    counts[name] = count
  }
  return buckets
}

/** An event type may be called "__proto__". */
function noCounts(): Record<string, number> {
  return Object.create(null)
}
