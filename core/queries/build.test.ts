import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type RawBuilder,
} from 'kysely'
import { expect, test } from 'vitest'
import type { Database } from '../db/database.ts'
import { OTHER_METRIC } from '../db/series-names.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { QUERY_LIMITS } from './limits.ts'
import { bucketOf, bucketStart, endOfBucket, type Interval } from './sql/buckets.ts'
import { countsFromRollups } from './sql/counts.ts'
import { firstDayReceived, whereOccurred } from './sql/days-received.ts'
import {
  checkFilters,
  checkGroupBy,
  dimensionOf,
  dimensionsOf,
  whereFilters,
} from './sql/dimensions.ts'
import { toEvent } from './sql/event-row.ts'
import { resolveNames, whereNames, whereSeries } from './sql/names.ts'

// What is asked of Postgres. What it answers is asked in events-over-time.test.ts and its neighbours.

const viewer = { tenantId: 7, tenant: 'acme' } as TenantViewer
/** Compiles without a connection. @param rows what each query gives */
function database(rows: object[] = [], asked: object[] = []): Database {
  class Driver extends DummyDriver {
    override async acquireConnection() {
      return {
        executeQuery: async ({ sql, parameters }: CompiledQuery) => {
          asked.push({ sql, parameters })
          return { rows: rows as never[] }
        },
        async *streamQuery() {},
      }
    }
  }
  return new Kysely({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new Driver(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
}
const compile = (expression: RawBuilder<unknown>) => {
  const { sql, parameters } = expression.compile(database())
  return { sql: sql.replace(/\s+/g, ' ').trim(), parameters }
}
const text = (expression: RawBuilder<unknown>) => compile(expression).sql
const all = { only: undefined, haveOwnSeries: true, sharedSince: undefined }
const some = { ...all, only: ['a', 'b'] }
const shared = { ...all, sharedSince: '2026-11-01T00:00:00Z' }
const byName = (range: { start: string; end: string }) =>
  ({ range, interval: 'TOTAL', timeZone: 'UTC', byName: true }) as const
const range = (start: string, end: string) => ({
  start: `2026-11-21T${start}Z`,
  end: `2026-11-21T${end}Z`,
})

test.each([
  ['whole buckets', range('09:00:00', '10:00:00'), 'rollup', []],
  [
    'a partial bucket at its start',
    range('09:01:00', '10:00:00'),
    'rollup+raw',
    [['09:01:00', '09:15:00']],
  ],
  [
    'a partial bucket at its end',
    range('09:00:00', '10:01:00'),
    'rollup+raw',
    [['10:00:00', '10:01:00']],
  ],
  [
    'partial buckets at both ends',
    range('09:01:00', '10:01:00'),
    'rollup+raw',
    [
      ['09:01:00', '09:15:00'],
      ['10:00:00', '10:01:00'],
    ],
  ],
  ['no whole bucket', range('09:01:00', '09:29:00'), 'raw', [['09:01:00', '09:29:00']]],
  ['a part of one bucket', range('09:01:00', '09:14:00'), 'raw', [['09:01:00', '09:14:00']]],
] as const)(
  'a range of %s counts each event once: rollups inside, events at the ends',
  async (_, asked, source, edges) => {
    const found = await countsFromRollups(database(), viewer, some, byName(asked))
    expect(found.source).toBe(source)
    const { sql, parameters } = compile(found.sql)
    expect(sql.match(/FROM event e/g) ?? []).toHaveLength(edges.length)
    expect(sql.match(/JOIN rollup_15m/g) ?? []).toHaveLength(source === 'raw' ? 0 : 1)
    const times = parameters.filter((each) => typeof each === 'string' && each.includes('T'))
    const rollup =
      source === 'raw'
        ? []
        : [
            `2026-11-21T09:${asked.start.includes('09:00:00') ? '00' : '15'}:00Z`,
            '2026-11-21T10:00:00Z',
          ]
    // The start again: what occurred then was not received long before.
    const bounds = edges.flatMap(([start, end]) => [start, end, start])
    expect(times).toEqual([...rollup, ...bounds.map((at) => `2026-11-21T${at}Z`)])
  },
)

test('names that share a series are listed together in every part, unless they were asked for', async () => {
  const counts = async (names: typeof all | typeof shared | typeof some, start: string) =>
    (await countsFromRollups(database(), viewer, names, byName(range(start, '10:00:00')))).sql
  const built = async (names: typeof all | typeof shared | typeof some) =>
    text(await counts(names, '09:01:00'))
  expect(
    (await built(shared)).match(/CASE WHEN .*? THEN .*? ELSE \$\d+ END AS name/g),
  ).toHaveLength(2)
  expect(compile(await counts(shared, '09:00:00')).parameters).toContain(OTHER_METRIC)
  expect(await built(all)).not.toContain('CASE')
  expect(await built({ ...some, sharedSince: shared.sharedSince } as never)).not.toContain('CASE')
})

test('events of a range are looked for on the days on which they can have been received', () => {
  const days = (start: string) =>
    compile(
      whereOccurred({ start, end: '2026-11-22T00:00:00Z' }, { from: firstDayReceived(start) }),
    ).parameters
  expect(days('2026-11-21T00:05:00Z').at(-1)).toBe('2026-11-21')
  expect(days('2026-11-21T00:04:59.5Z').at(-1)).toBe('2026-11-20')
  expect(days('1960-01-01T00:00:00Z').at(-1)).toBe('1970-01-01')
  expect(days('2026-11-21T00:05:00Z').slice(0, 2)).toEqual([
    '2026-11-21T00:05:00Z',
    '2026-11-22T00:00:00Z',
  ])
})

test('a query names its tenant, and the names it covers', () => {
  expect(compile(whereSeries(viewer, all))).toEqual({ sql: 's.tenant_id = $1', parameters: [7] })
  expect(compile(whereSeries(viewer, some))).toEqual({
    sql: 's.tenant_id = $1 AND s.metric = ANY ($2::text[])',
    parameters: [7, ['a', 'b']],
  })
  expect(compile(whereNames(viewer, some)).parameters).toEqual([7, ['a', 'b']])
  expect(compile(whereNames(viewer, shared))).toEqual({ sql: 'e.tenant_id = $1', parameters: [7] })
  expect(text(whereNames(viewer, all))).toBe('e.tenant_id = $1')
})

test('a name has a series of its own where that is older than the shared one', async () => {
  const resolve = (rows: object[], names?: string[]) => resolveNames(database(rows), viewer, names)
  const own = (metric: string, created_at: string) => ({ metric, created_at })
  const other = own(OTHER_METRIC, '2026-11-05T00:00:00Z')
  const asked: object[] = []
  await resolveNames(database([], asked), viewer, ['a'])
  await resolveNames(database([], asked), viewer, undefined)
  expect(asked).toMatchObject([
    {
      sql: expect.stringContaining('select "metric", "created_at"'),
      parameters: [7, 'a', OTHER_METRIC],
    },
    { parameters: [7, OTHER_METRIC] },
  ])
  expect(await resolve([], ['a', OTHER_METRIC])).toEqual({
    only: ['a'],
    haveOwnSeries: true,
    sharedSince: undefined,
  })
  expect(await resolve([other])).toEqual({
    only: undefined,
    haveOwnSeries: true,
    sharedSince: other.created_at,
  })
  expect(await resolve([other], ['a'])).toMatchObject({ haveOwnSeries: false })
  const at = (created_at: string) => resolve([other, own('a', created_at)], ['a'])
  expect(await at('2026-11-05T00:00:00Z')).toMatchObject({ haveOwnSeries: true })
  expect(await at('2026-11-05T00:00:00.1Z')).toMatchObject({ haveOwnSeries: false })
  const older = own('a', '2026-11-01T00:00:00Z')
  expect(await resolve([older, other], ['a'])).toMatchObject({
    haveOwnSeries: true,
    sharedSince: other.created_at,
  })
  expect(await resolve([other, older], ['a', 'b'])).toMatchObject({ haveOwnSeries: false })
  expect(await resolve([other, older, own('b', '2026-11-02T00:00:00Z')], ['a', 'b'])).toMatchObject(
    { haveOwnSeries: true },
  )
})

const BUCKET = dimensionOf('groupBy', 'name')
const YEAR = { start: '2026-01-01T00:00:00Z', end: '2026-12-31T00:07:00Z' }

test('a bucket begins where the interval says, and in zones with half an hour of summer at the move', () => {
  const of = (interval: Interval, zone = 'Europe/Berlin') =>
    compile(bucketOf(BUCKET, interval, zone, YEAR))
  expect(of('TOTAL')).toEqual({ sql: '$1::timestamptz', parameters: [YEAR.start] })
  expect(of('QUARTER_HOUR').sql).toBe("date_bin('15 minutes', e.name, 'epoch')")
  expect(of('HOUR').sql).toBe("date_trunc('hour', e.name, 'Europe/Berlin')")
  expect(of('WEEK').sql).toBe("date_trunc('week', e.name, 'Europe/Berlin')")
  for (const zone of ['Australia/Lord_Howe', 'Australia/LHI']) {
    expect(of('HOUR', zone).sql).toMatch(/^CASE WHEN .* \+ interval '30 minutes' ELSE/)
    const offset = (at: string) => `(${at} AT TIME ZONE '${zone}' - ${at} AT TIME ZONE 'UTC')`
    const start = `date_trunc('hour', e.name, '${zone}')`
    expect(of('HOUR', zone).sql).toContain(`${offset(start)} <> ${offset('e.name')}`)
    expect(of('DAY', zone).sql).toMatch(/^date_trunc/)
  }
})

test('a bucket ends with its interval, or with the last quarter of the range', () => {
  const of = (interval: Interval) => compile(endOfBucket(BUCKET, interval, 'Asia/Tokyo', YEAR))
  expect(of('QUARTER_HOUR')).toEqual({ sql: "e.name + interval '15 minutes'", parameters: [] })
  expect(of('TOTAL')).toEqual({ sql: '$1::timestamptz', parameters: ['2026-12-31T00:15:00Z'] })
  expect(of('DAY')).toEqual({
    sql: "least(date_add(e.name, '1 day', 'Asia/Tokyo'), $1::timestamptz)",
    parameters: ['2026-12-31T00:15:00Z'],
  })
})

test('a day, a week and a month begin with the first of two midnights', () => {
  const of = (interval: Interval) => text(bucketStart(BUCKET, interval, 'America/Havana', YEAR))
  for (const interval of ['QUARTER_HOUR', 'HOUR', 'TOTAL'] as const)
    expect(of(interval)).toBe('e.name')
  for (const interval of ['DAY', 'WEEK', 'MONTH'] as const)
    expect(of(interval)).toBe(
      `CASE WHEN date_trunc('${interval.toLowerCase()}', e.name - interval '1 hour', 'America/Havana') = e.name THEN e.name - interval '1 hour' ELSE e.name END`,
    )
})

test('a dimension is a column, a property by its name, or one by its path', () => {
  const of = (dimension: string) => compile(dimensionOf('groupBy', dimension))
  expect(of('source')).toEqual({ sql: 'e.source', parameters: [] })
  expect(of('plan')).toEqual({ sql: 'e.properties ->> $1::text', parameters: ['plan'] })
  expect(of('properties.name').parameters).toEqual(['name'])
  expect(of('toString').parameters).toEqual(['toString'])
  expect(of('cart.properties.total')).toEqual({
    sql: 'coalesce(e.properties ->> $1::text, e.properties #>> $2::text[])',
    parameters: ['cart.properties.total', ['cart', 'properties', 'total']],
  })
  for (const invalid of [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'properties.',
    'a\0',
    'x'.repeat(QUERY_LIMITS.dimensionCharsMax + 1),
  ])
    expect(() => of(invalid)).toThrow(/^groupBy /)
  expect(of('x'.repeat(QUERY_LIMITS.dimensionCharsMax)).parameters).toHaveLength(1)
})

test('the dimensions of a row are one array, and filters are conditions that must all be met', () => {
  expect(text(dimensionsOf([]))).toBe("'{}'::text[]")
  expect(text(dimensionsOf(['name', 'plan']))).toBe(
    'ARRAY[left(e.name, 256), left(e.properties ->> $1::text, 256)]::text[]',
  )
  expect(
    compile(
      whereFilters([
        { dimension: 'name', in: ['a'] },
        { dimension: 'plan', in: ['b', 'c'] },
      ]),
    ),
  ).toEqual({
    sql: 'AND e.name = ANY ($1::text[]) AND e.properties ->> $2::text = ANY ($3::text[])',
    parameters: [['a'], 'plan', ['b', 'c']],
  })
  expect(compile(whereFilters([])).parameters).toEqual([])
})

test('groups and filters have limits, exactly those included, and dimensions that exist', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `d${i}`)
  expect(checkGroupBy([...many(QUERY_LIMITS.groupByMax), 'd0'])).toEqual(
    many(QUERY_LIMITS.groupByMax),
  )
  expect(() => checkGroupBy(many(QUERY_LIMITS.groupByMax + 1))).toThrow('groupBy takes at most')
  expect(() => checkGroupBy([''])).toThrow('groupBy ')
  const filters = many(QUERY_LIMITS.filtersMax).map((dimension) => ({
    dimension,
    in: many(QUERY_LIMITS.filterValuesMax),
  }))
  expect(checkFilters(filters)).toBe(filters)
  expect(() => checkFilters([...filters, { dimension: 'x', in: [] }])).toThrow(
    'filter takes at most 8 dimensions',
  )
  expect(() =>
    checkFilters([{ dimension: 'x', in: many(QUERY_LIMITS.filterValuesMax + 1) }]),
  ).toThrow('100 values')
  expect(() => checkFilters([{ dimension: 'x', in: ['a', 'b\0'] }])).toThrow('filter ')
  expect(() => checkFilters([{ dimension: 'a.', in: [] }])).toThrow('filter "a."')
})

test('an event is shown as its sender knows it', () => {
  const row = {
    event_id: 'e1',
    client_event_id: null,
    name: 'order',
    occurred_at: 'o',
    client_occurred_at: 'c',
    received_at: 'r',
    stored_at: 's',
    actor: 'a',
    session: 'b',
    source: 'd',
    value: 1,
    properties: { x: 1 },
    context: null,
    schema_version: '2',
    request_id: 'q',
    log_partition: 3,
    log_offset: 5,
    trust_class: null,
  } as never as Parameters<typeof toEvent>[0]
  const shown = {
    ...{
      id: 'e1',
      name: 'order',
      occurredAt: 'o',
      clientOccurredAt: 'c',
      receivedAt: 'r',
      storedAt: 's',
    },
    ...{ actor: 'a', session: 'b', source: 'd', value: 1, properties: { x: 1 }, context: null },
    ...{
      schemaVersion: '2',
      requestId: 'q',
      trust: 'server',
      partition: 3,
      offset: '5',
      eventId: 'e1',
    },
  }
  expect(toEvent(row)).toEqual(shown)
  expect(toEvent({ ...row, client_event_id: 'mine', trust_class: 'public' })).toEqual({
    ...shown,
    id: 'mine',
    trust: 'public',
  })
})
