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

test('beyond its size the directory starts again, and what is still used is never asked for again', async () => {
  const { directory, asked } = setUp(2)
  await directory.learn([named('used'), named('once')])
  const id = directory.id(1, 'used')
  for (let i = 0; i < 20; i++) {
    // The batch before is written by its ids while this one is learned.
    await directory.learn([named(`made up ${i}`)])
    expect(directory.id(1, 'used')).toBe(id)
    await directory.learn([named('used')])
    expect(directory.id(1, 'used')).toBe(id)
    expect(directory.id(1, `made up ${i}`)).toBeGreaterThan(0)
  }
  expect(asked.flat().filter((each) => each === '1 used')).toHaveLength(2)
  expect(() => directory.id(1, 'once')).toThrow(/tenant 1 was not loaded/)
  await directory.learn([named('once')])
  expect(asked.at(-1)).toEqual(['find', '1 once'])
})

test('a directory that is full holds up to twice its size, and no batch costs more look-ups than it has new names', async () => {
  const { directory, asked } = setUp(10)
  for (let i = 0; i < 30; i++) {
    asked.length = 0
    await directory.learn(Array.from({ length: 4 }, (_, n) => named(`name ${(i + n) % 8}`)))
    if (i > 8) expect(asked).toEqual([])
  }
})
