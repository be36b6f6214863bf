import { expect, test } from 'vitest'
import { eventRow } from '../testing/event-rows.ts'
import { createSeriesDirectory } from './series.ts'

const named = (name: string, tenantId = 1) =>
  eventRow({ tenantId, event: { event_id: 'e', name, occurred_at: '', properties: {} } })

/** Series as Postgres keeps them, and what was asked. */
function setUp(entriesMax?: number) {
  const series = new Map<string, number>()
  const asked: unknown[][] = []
  const directory = createSeriesDirectory(async (sql, values) => {
    if (sql.includes('unnest')) {
      const [tenants, metrics] = values as [number[], string[]]
      asked.push(['find', ...tenants.map((tenant, i) => `${tenant} ${metrics[i]}`)])
      return {
        rows: tenants.flatMap((tenant_id, i) => {
          const id = series.get(`${tenant_id} ${metrics[i]}`)
          return id === undefined ? [] : [{ tenant_id, metric: metrics[i], series_id: String(id) }]
        }),
      }
    }
    const [, tenantId, metrics] = values as [string, number, string[]]
    asked.push(['admit', ...metrics.map((metric) => `${tenantId} ${metric}`)])
    for (const metric of metrics) series.set(`${tenantId} ${metric}`, series.size + 1)
    return {
      rows: metrics.map((name) => ({ name, id: String(series.get(`${tenantId} ${name}`)) })),
    }
  }, entriesMax)
  return { directory, asked, series }
}

test('names are looked up once, in one query, and only those without a series are admitted, tenant by tenant', async () => {
  const { directory, asked, series } = setUp()
  series.set('1 old', 41)
  await directory.learn([named('old'), named('new'), named('new'), named('new', 2), named('newer')])
  expect(asked).toEqual([
    ['find', '1 old', '1 new', '1 newer', '2 new'],
    ['admit', '1 new', '1 newer'],
    ['admit', '2 new'],
  ])
  expect(directory.id(1, 'old')).toBe(41)
  expect(directory.id(1, 'new')).not.toBe(directory.id(2, 'new'))
  await directory.learn([named('old'), named('new', 2)])
  await directory.learn([])
  expect(asked).toHaveLength(3)
  series.set('3 known', 9)
  await directory.learn([named('known', 3)])
  expect(asked.slice(3)).toEqual([['find', '3 known']])
})

test('a name that was not learned is an error, with the tenant and without the name', async () => {
  const { directory } = setUp()
  await directory.learn([named('a')])
  expect(() => directory.id(1, 'secret')).toThrow(/tenant 1 was not loaded/)
  expect(() => directory.id(2, 'a')).toThrow(/tenant 2/)
})

test('beyond its size the directory starts again, and keeps the ids of the batch before', async () => {
  const { directory, asked } = setUp(2)
  await directory.learn([named('a'), named('b')])
  await directory.learn([named('a')])
  expect(asked).toHaveLength(2)
  await directory.learn([named('c')])
  const a = directory.id(1, 'a')
  await directory.learn([named('d')])
  // Three are more than two: all are forgotten, those of the batch before only by `learn`.
  expect(directory.id(1, 'a')).toBe(a)
  await directory.learn([named('a')])
  expect(asked.at(-1)).toEqual(['find', '1 a'])
  expect(asked.flat().filter((each) => each === '1 a')).toHaveLength(3)
})
