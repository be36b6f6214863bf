import { eventsOverTime } from '../../../core/queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../../../core/queries/metrics/metrics-args.ts'
import type { Filled } from './fill.ts'
import { overview } from './overview.ts'
import { at, type BenchQuery, type Dialect, type Month } from './query.ts'

type Goals = Pick<BenchQuery, 'goalMs' | 'cachedGoalMs' | 'tolerance'>

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
