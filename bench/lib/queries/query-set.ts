import type { Database } from '../../../core/db/database.ts'
import type { TenantViewer } from '../../../core/identity/viewer.ts'
import { eventsPage } from '../../../core/queries/events-page.ts'
import { eventsOverTime } from '../../../core/queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../../../core/queries/metrics/metrics-args.ts'
import { outcomeCount } from '../../../core/queries/outcome-count.ts'
import { rangeTotals } from '../../../core/queries/range-totals.ts'
import { uniqueActors } from '../../../core/queries/unique-actors.ts'
import type { Filled } from './fill.ts'

export interface BenchContext {
  db: Database
  viewer: TenantViewer
}

export interface BenchQuery {
  title: string
  /** Of the p95. */
  goalMs?: number
  /** The same through GraphQL and the result cache. */
  cachedGoalMs?: number
  /** What it names is estimated: the largest relative difference from the exact number. */
  tolerance?: number
  args?: MetricsInput
  /** @returns numbers by key, and what they were read from */
  run(context: BenchContext): Promise<{ values: Map<string, number>; source: string }>
  /** SELECTs of the same keys and numbers. */
  plain(dialect: Dialect): string[]
}

/** What differs between Postgres and DuckDB. */
export interface Dialect {
  event: string
  rollup: string
  property(name: string): string
  /** Of a time, the start of its bucket in seconds since 1970, as text. */
  bucket(unit: 'hour' | 'day', time: string, timeZone: string): string
  p95(value: string): string
}

export const POSTGRES: Dialect = {
  event: 'event e',
  rollup:
    '(SELECT r.bucket, s.metric AS name, r.count FROM series s JOIN rollup_15m r USING (tenant_id, series_id)) r',
  property: (name) => `(e.properties ->> '${name}')`,
  bucket: (unit, time, zone) =>
    `extract(epoch FROM date_trunc('${unit}', ${time}, '${zone}'))::bigint::text`,
  p95: (value) => `percentile_cont(0.95) WITHIN GROUP (ORDER BY ${value})`,
}

export const DUCKDB: Dialect = {
  event: 'event e',
  rollup: 'rollup r',
  property: (name) => `e.${name}`,
  bucket: (unit, time, zone) =>
    zone === 'UTC'
      ? `epoch(date_trunc('${unit}', ${time}))::bigint::varchar`
      : `epoch(timezone('${zone}', date_trunc('${unit}', timezone('${zone}', ${time}))))::bigint::varchar`,
  p95: (value) => `quantile_cont(${value}, 0.95)`,
}

const at = (ms: number) => new Date(ms).toISOString()

/** @param events how many there are */
export function createQuerySet({ startMs, endMs, oldestMs }: Filled, events: number): BenchQuery[] {
  const month = { startTime: at(startMs), endTime: at(endMs) }
  const within = (fromMs: number) =>
    `e.occurred_at >= '${at(fromMs)}' AND e.occurred_at < '${at(endMs)}'`
  const metric = (
    title: string,
    args: Partial<MetricsInput>,
    plain: BenchQuery['plain'],
    goals: Pick<BenchQuery, 'goalMs' | 'cachedGoalMs' | 'tolerance'> = {},
  ): BenchQuery => {
    const input: MetricsInput = { name: '*', ...month, interval: 'DAY', ...args }
    return {
      title,
      args: input,
      plain,
      ...goals,
      async run({ db, viewer }) {
        const { rows, source } = await eventsOverTime(db, viewer, input)
        const keyOf = (row: (typeof rows)[number]) =>
          [
            ...(input.interval === 'TOTAL' ? [] : [Date.parse(row.timestamp) / 1000]),
            ...Object.values(row.dimensions),
          ].join('|')
        return { source, values: new Map(rows.map((row) => [keyOf(row), row.value])) }
      },
    }
  }
  /** A declared metric by day, with a filter and by a dimension. */
  const declared = (
    title: string,
    args: Partial<MetricsInput>,
    sql: { by: string; value: string; where: string },
  ) =>
    metric(
      title,
      args,
      (d) => {
        const by = sql.by === 'name' ? 'e.name' : d.property(sql.by)
        const text = (part: string) => part.replace(/\{(\w+)\}/g, (_, name) => d.property(name))
        const day = d.bucket('day', 'e.occurred_at', args.timeZone ?? 'UTC')
        return [
          `SELECT ${day} || '|' || ${by}, ${text(sql.value)} FROM ${d.event} WHERE ${within(startMs)} AND ${text(sql.where)} GROUP BY 1`,
        ]
      },
      { goalMs: 30, cachedGoalMs: 5 },
    )
  const orders = {
    name: 'orders',
    groupBy: ['country'],
    filter: [{ dimension: 'plan', in: ['plan-1'] }],
  }
  const ordersSql = { by: 'country', value: 'count(*)', where: "{plan} = 'plan-1'" }
  const rawMs = Math.round(startMs + (endMs - startMs) * Math.max(0, 1 - 1_000_000 / events))
  const rawFromMs = Math.ceil(rawMs / 900_000) * 900_000
  const year = { startTime: at(oldestMs), endTime: at(endMs), interval: 'HOUR' } as const
  const hours = (where: string): BenchQuery['plain'] => {
    return (d) => [
      `SELECT ${d.bucket('hour', 'r.bucket', 'UTC')}, sum(r.count) FROM ${d.rollup} WHERE ${where} GROUP BY 1`,
    ]
  }
  const p95 = (d: Dialect) => d.p95('e.value')

  return [
    declared('orders, plan-1, by country', orders, ordersSql),
    declared('orders in Berlin', { ...orders, timeZone: 'Europe/Berlin' }, ordersSql),
    declared('orders in Kathmandu', { ...orders, timeZone: 'Asia/Kathmandu' }, ordersSql),
    declared(
      'sum of revenue, two countries, by device',
      {
        name: 'revenue',
        aggregate: 'SUM',
        groupBy: ['device'],
        filter: [{ dimension: 'country', in: ['c0', 'c7'] }],
      },
      { by: 'device', value: 'sum(({amount})::float8)', where: "{country} IN ('c0', 'c7')" },
    ),
    declared(
      'premium, device-1, by name',
      {
        name: 'premium',
        groupBy: ['name'],
        filter: [{ dimension: 'device', in: ['device-1'] }],
      },
      {
        by: 'name',
        value: 'count(*)',
        where: "{plan} IN ('plan-0', 'plan-1') AND {device} = 'device-1'",
      },
    ),
    metric('all names by day and name', { groupBy: ['name'] }, (d) => [
      `SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')} || '|' || e.name, count(*) FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1`,
    ]),
    metric(
      'uniques, 30 days in one',
      { aggregate: 'UNIQUES', interval: 'TOTAL' },
      (d) => [`SELECT '', count(DISTINCT e.actor) FROM ${d.event} WHERE ${within(startMs)}`],
      { goalMs: 50, tolerance: 0.025 },
    ),
    metric(
      'uniques, 30 days by day',
      { aggregate: 'UNIQUES' },
      (d) => [
        `SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, count(DISTINCT e.actor) FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1`,
      ],
      { goalMs: 50, tolerance: 0.035 },
    ),
    metric(
      'p95, 30 days in one',
      { aggregate: 'P95', interval: 'TOTAL' },
      (d) => [`SELECT '', ${p95(d)} FROM ${d.event} WHERE ${within(startMs)}`],
      { goalMs: 50, tolerance: 0.0101 },
    ),
    metric(
      'p95, 30 days by day',
      { aggregate: 'P95' },
      (d) => [
        `SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, ${p95(d)} FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1`,
      ],
      { goalMs: 50, tolerance: 0.0101 },
    ),
    metric('a year of hours, all names', year, hours('true'), { goalMs: 100 }),
    metric('a year of hours, one name', { ...year, name: 'name_3' }, hours("r.name = 'name_3'"), {
      goalMs: 100,
    }),
    overview(month, (fromMs) => within(fromMs), startMs),
    metric(
      `undeclared property, ${Math.round(Math.min(events, 1_000_000) / 1000)},000 events`,
      { startTime: at(rawFromMs), interval: 'TOTAL', groupBy: ['tier'] },
      (d) => [
        `SELECT ${d.property('tier')}, count(*) FROM ${d.event} WHERE ${within(rawFromMs)} GROUP BY 1`,
      ],
      { goalMs: 400 },
    ),
  ]
}

/** What the page asks for, at the same time as it does: over 30 days, with the ten most frequent names one by one. */
function overview(
  month: { startTime: string; endTime: string },
  within: (fromMs: number) => string,
  startMs: number,
): BenchQuery {
  const range = { start: month.startTime, end: month.endTime }
  const names = Array.from({ length: 10 }, (_, i) => `name_${i}`)
  const previous = {
    start: at(2 * Date.parse(range.start) - Date.parse(range.end)),
    end: range.start,
  }
  return {
    title: "the Overview's set, 30 days",
    goalMs: 60,
    tolerance: 0.025,
    async run({ db, viewer }) {
      const [totals, actors, , whole, parts, , page] = await Promise.all([
        rangeTotals(db, viewer, { range, namesMax: 10 }),
        uniqueActors(db, viewer, { range }),
        uniqueActors(db, viewer, { range: previous }),
        eventsOverTime(db, viewer, { name: '*', ...month, interval: 'DAY' }),
        eventsOverTime(db, viewer, {
          name: '*',
          ...month,
          interval: 'DAY',
          groupBy: ['name'],
          filter: [{ dimension: 'name', in: names }],
        }),
        outcomeCount(db, viewer, { range, outcome: 'dead' }),
        eventsPage(db, viewer, { first: 20 }),
      ])
      const values = new Map([
        ['count', totals.count],
        ['actors', actors.rows[0] ?? 0],
        ['days', whole.rows.length],
        ['points', parts.rows.length],
        ['page', page.rows.length],
      ])
      return { values, source: `${totals.source}, ${actors.source}` }
    },
    plain: (d) => [
      `SELECT 'count', count(*) FROM ${d.event} WHERE ${within(startMs)}`,
      `SELECT 'actors', count(DISTINCT e.actor) FROM ${d.event} WHERE ${within(startMs)}`,
      `SELECT 'days', count(*) FROM (SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, count(*) FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1) t`,
      `SELECT 'points', count(*) FROM (SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, e.name, count(*) FROM ${d.event}
        WHERE ${within(startMs)} AND e.name IN (${names.map((name) => `'${name}'`)}) GROUP BY 1, 2) t`,
      `SELECT 'page', count(*) FROM (SELECT e.* FROM ${d.event} ORDER BY e.occurred_at DESC LIMIT 20) t`,
    ],
  }
}
