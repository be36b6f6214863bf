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

type Goals = Pick<BenchQuery, 'goalMs' | 'cachedGoalMs' | 'tolerance'>

interface Month {
  startTime: string
  endTime: string
  /** SQL: events from that time to the end of the month. */
  within(fromMs: number): string
  startMs: number
}

/** @param events how many there are */
export function createQuerySet(filled: Filled, events: number): BenchQuery[] {
  const { startMs, endMs, oldestMs } = filled
  const month: Month = {
    startTime: at(startMs),
    endTime: at(endMs),
    within: (fromMs) => `e.occurred_at >= '${at(fromMs)}' AND e.occurred_at < '${at(endMs)}'`,
    startMs,
  }
  return [
    ...declaredQueries(month),
    ...estimatedQueries(month),
    ...yearQueries(at(oldestMs), month.endTime),
    overview(month),
    rawQuery(month, endMs, events),
  ]
}

/** By day unless the arguments have another interval. */
function overTime(
  title: string,
  args: MetricsInput,
  plain: BenchQuery['plain'],
  goals: Goals = {},
): BenchQuery {
  const input: MetricsInput = { interval: 'DAY', ...args }
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

interface DeclaredSql {
  by: string
  value: string
  where: string
  timeZone?: string
}

/** Metrics by day, with a filter and by a dimension; all names by name. */
function declaredQueries({ startTime, endTime, within, startMs }: Month): BenchQuery[] {
  const month = { startTime, endTime }
  const plain =
    ({ by, value, where, timeZone = 'UTC' }: DeclaredSql): BenchQuery['plain'] =>
    (d) => {
      const text = (part: string) => part.replace(/\{(\w+)\}/g, (_, name) => d.property(name))
      const day = d.bucket('day', 'e.occurred_at', timeZone)
      return [
        `SELECT ${day} || '|' || ${text(by)}, ${text(value)} FROM ${d.event} WHERE ${within(startMs)} AND ${text(where)} GROUP BY 1`,
      ]
    }
  const goals = { goalMs: 30, cachedGoalMs: 5 }
  const orders = {
    ...month,
    name: 'orders',
    groupBy: ['country'],
    filter: [{ dimension: 'plan', in: ['plan-1'] }],
  }
  const ordersSql = { by: '{country}', value: 'count(*)', where: "{plan} = 'plan-1'" }
  const inZone = (timeZone: string) =>
    overTime(
      `orders in ${timeZone}`,
      { ...orders, timeZone },
      plain({ ...ordersSql, timeZone }),
      goals,
    )
  return [
    overTime('orders, plan-1, by country', orders, plain(ordersSql), goals),
    inZone('Europe/Berlin'),
    inZone('Asia/Kathmandu'),
    overTime(
      'sum of revenue, two countries, by device',
      {
        ...month,
        name: 'revenue',
        aggregate: 'SUM',
        groupBy: ['device'],
        filter: [{ dimension: 'country', in: ['c0', 'c7'] }],
      },
      plain({
        by: '{device}',
        value: 'sum(({amount})::float8)',
        where: "{country} IN ('c0', 'c7')",
      }),
      goals,
    ),
    overTime(
      'premium, device-1, by name',
      {
        ...month,
        name: 'premium',
        groupBy: ['name'],
        filter: [{ dimension: 'device', in: ['device-1'] }],
      },
      plain({
        by: 'e.name',
        value: 'count(*)',
        where: "{plan} IN ('plan-0', 'plan-1') AND {device} = 'device-1'",
      }),
      goals,
    ),
    overTime(
      'all names by name',
      { ...month, name: '*', groupBy: ['name'] },
      plain({ by: 'e.name', value: 'count(*)', where: 'true' }),
    ),
  ]
}

function estimatedQueries({ startTime, endTime, within, startMs }: Month): BenchQuery[] {
  const all = { startTime, endTime, name: '*' }
  const byDay =
    (value: (dialect: Dialect) => string): BenchQuery['plain'] =>
    (d) => [
      `SELECT ${d.bucket('day', 'e.occurred_at', 'UTC')}, ${value(d)} FROM ${d.event} WHERE ${within(startMs)} GROUP BY 1`,
    ]
  const inOne =
    (value: (dialect: Dialect) => string): BenchQuery['plain'] =>
    (d) => [`SELECT '', ${value(d)} FROM ${d.event} WHERE ${within(startMs)}`]
  const uniques = () => 'count(DISTINCT e.actor)'
  const p95 = (d: Dialect) => d.p95('e.value')
  const [ofUniques, ofP95] = [0.035, 0.0101].map((tolerance) => ({ goalMs: 50, tolerance })) as [
    Goals,
    Goals,
  ]
  return [
    overTime(
      'uniques, 30 days in one',
      { ...all, aggregate: 'UNIQUES', interval: 'TOTAL' },
      inOne(uniques),
      ofUniques,
    ),
    overTime(
      'uniques, 30 days by day',
      { ...all, aggregate: 'UNIQUES' },
      byDay(uniques),
      ofUniques,
    ),
    overTime(
      'p95, 30 days in one',
      { ...all, aggregate: 'P95', interval: 'TOTAL' },
      inOne(p95),
      ofP95,
    ),
    overTime('p95, 30 days by day', { ...all, aggregate: 'P95' }, byDay(p95), ofP95),
  ]
}

/** Next to the same of 15-minute rows: single events are held for a month. */
function yearQueries(startTime: string, endTime: string): BenchQuery[] {
  const plain =
    (where: string): BenchQuery['plain'] =>
    (d) => [
      `SELECT ${d.bucket('hour', 'r.bucket', 'UTC')}, sum(r.count) FROM ${d.rollup} WHERE ${where} GROUP BY 1`,
    ]
  const year = { startTime, endTime, interval: 'HOUR' } as const
  const goals = { goalMs: 100 }
  return [
    overTime('a year of hours, all names', { ...year, name: '*' }, plain('true'), goals),
    overTime(
      'a year of hours, one name',
      { ...year, name: 'name_3' },
      plain("r.name = 'name_3'"),
      goals,
    ),
  ]
}

/** A million events, or all there are. */
function rawQuery({ startMs, endTime, within }: Month, endMs: number, events: number): BenchQuery {
  const read = Math.min(events, 1_000_000)
  const fromMs = endMs - Math.floor(((endMs - startMs) * read) / events / 900_000) * 900_000
  return overTime(
    `undeclared property, ${read / 1000},000 events`,
    { name: '*', startTime: at(fromMs), endTime, interval: 'TOTAL', groupBy: ['tier'] },
    (d) => [
      `SELECT ${d.property('tier')}, count(*) FROM ${d.event} WHERE ${within(fromMs)} GROUP BY 1`,
    ],
    { goalMs: 400 },
  )
}

/** What the page asks for, at the same time as it does: over 30 days, with the ten most frequent names one by one. */
function overview({ startTime, endTime, within, startMs }: Month): BenchQuery {
  const month = { startTime, endTime }
  const range = { start: startTime, end: endTime }
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
