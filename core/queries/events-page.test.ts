import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'

let fixture: QueryFixture
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  headers = await fixture.keyOf('default')
  // Three days, many at the very same time, some a microsecond apart.
  const events = Array.from({ length: 157 }, (_, i) => ({
    id: `event-${i}`,
    name: i % 10 === 0 ? 'tenth' : 'other',
    receivedAt: `2026-11-${18 + (i % 3)}T23:59:59.99999${Math.floor(i / 30)}Z`,
  }))
  await fixture.store('default', events)
  await fixture.store('other', events.slice(0, 10))
})
afterAll(() => fixture.close())

interface Page {
  edges: { cursor: string; node: { id: string; receivedAt: string } }[]
  pageInfo: {
    hasNextPage: boolean
    hasPreviousPage: boolean
    startCursor: string | null
    endCursor: string | null
  }
}

async function page(args: string): Promise<Page> {
  const { data, errors } = await fixture.execute(
    `{ events${args} { edges { cursor node { id receivedAt } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`,
    headers,
  )
  expect(errors).toBeUndefined()
  return data.events
}

async function walk(step: (from: string) => Promise<Page>, cursor: keyof Page['pageInfo']) {
  const pages = [await step('')]
  const more = cursor === 'endCursor' ? 'hasNextPage' : 'hasPreviousPage'
  while (pages.at(-1)?.pageInfo[more]) {
    const last = pages.at(-1)?.pageInfo[cursor] as string
    pages.push(await step(last))
  }
  return pages
}

test('paging forwards returns every event once, newest received first', async () => {
  const pages = await walk(
    (after) => page(`(first: 20${after && `, after: "${after}"`})`),
    'endCursor',
  )
  const nodes = pages.flatMap(({ edges }) => edges.map(({ node }) => node))
  expect(pages).toHaveLength(8)
  expect(new Set(nodes.map(({ id }) => id)).size).toBe(157)
  expect(nodes).toHaveLength(157)
  const times = nodes.map(({ receivedAt }) => receivedAt.slice(0, -1))
  expect(times).toEqual([...times].sort().reverse())
  expect(pages.map(({ pageInfo }) => pageInfo.hasPreviousPage)).toEqual([
    false,
    ...Array(7).fill(true),
  ])
})

test('paging backwards returns the same list from its end', async () => {
  const forwards = await walk(
    (after) => page(`(first: 50${after && `, after: "${after}"`})`),
    'endCursor',
  )
  const backwards = await walk(
    (before) => page(`(last: 50${before && `, before: "${before}"`})`),
    'startCursor',
  )
  const ids = (pages: Page[]) => pages.flatMap(({ edges }) => edges.map(({ node }) => node.id))
  expect(ids(backwards.reverse())).toEqual(ids(forwards))
  expect(backwards.map(({ pageInfo }) => pageInfo.hasNextPage)).toEqual([true, true, true, false])
})

test('a page of one event knows of the events on either side of it, the first and the last page too', async () => {
  const forwards = await walk(
    (after) => page(`(name: "tenth", first: 1${after && `, after: "${after}"`})`),
    'endCursor',
  )
  const backwards = await walk(
    (before) => page(`(name: "tenth", last: 1${before && `, before: "${before}"`})`),
    'startCursor',
  )
  const yes = Array(15).fill(true)
  expect(forwards.map(({ pageInfo }) => pageInfo.hasNextPage)).toEqual([...yes, false])
  expect(forwards.map(({ pageInfo }) => pageInfo.hasPreviousPage)).toEqual([false, ...yes])
  expect(backwards.map(({ pageInfo }) => pageInfo.hasPreviousPage)).toEqual([...yes, false])
  expect(backwards.map(({ pageInfo }) => pageInfo.hasNextPage)).toEqual([false, ...yes])
})

test('hasNextPage is exact where a page ends with the last event', async () => {
  const { endCursor } = (await page('(first: 100)')).pageInfo
  const last = await page(`(first: 57, after: "${endCursor}")`)
  expect([last.edges.length, last.pageInfo.hasNextPage]).toEqual([57, false])
  const beyond = await page(`(first: 10, after: "${last.pageInfo.endCursor}")`)
  expect(beyond).toEqual({
    edges: [],
    pageInfo: { hasNextPage: false, hasPreviousPage: true, startCursor: null, endCursor: null },
  })
})

test('events can be listed by name', async () => {
  const { edges, pageInfo } = await page('(first: 100, name: "tenth")')
  expect([edges.length, pageInfo.hasNextPage]).toEqual([16, false])
  expect((await page('(name: "none")')).edges).toEqual([])
})

test('a page size over the limit and an invalid cursor are rejected', async () => {
  for (const [args, argument] of [
    ['first: 101', 'first'],
    ['first: -1', 'first'],
    ['last: 101', 'last'],
    ['first: 1, last: 1', 'last'],
    ['after: "nonsense"', 'after'],
    [`after: "${Buffer.from("2026-01-01T00:00:00Z 'x'").toString('base64url')}"`, 'after'],
    ['before: ""', 'before'],
  ]) {
    const response = await fixture.execute(`{ events(${args}) { edges { cursor } } }`, headers)
    expect([response.status, response.errors?.[0]?.extensions], args).toEqual([
      400,
      { code: 'BAD_USER_INPUT', argument },
    ])
  }
})

test('an event is found by its own id, or by its UUID in either case', async () => {
  const uuid = '0192a1b2-0000-7000-8000-00000000abcd'
  await fixture.store('default', [
    {
      id: uuid,
      value: 1.5,
      properties: { a: { b: [1, null] } },
      occurredAt: '2026-11-20T09:20:15.123456Z',
    },
    { id: 'order 1/ü' },
  ])
  const find = async (id: string) =>
    (
      await fixture.execute(
        'query ($id: ID!) { event(id: $id) { id value properties occurredAt partition offset context } }',
        headers,
        { id },
      )
    ).data.event
  expect(await find(uuid.toUpperCase())).toEqual({
    id: uuid,
    value: 1.5,
    properties: { a: { b: [1, null] } },
    occurredAt: '2026-11-20T09:20:15.123456Z',
    partition: 0,
    offset: expect.stringMatching(/^\d+$/),
    context: null,
  })
  expect(await find('order 1/ü')).toMatchObject({ id: 'order 1/ü' })
  expect(await find('event-0')).toMatchObject({ id: 'event-0' })
  expect(await find('order 2')).toBeNull()
})

test('an id that a page and a server sent is two events: the one of the server is found, or else that of the page', async () => {
  const public_ = { trust: 'public', value: 0.01 } as const
  await fixture.store('default', [
    { ...public_, id: 'order-1001', receivedAt: '2026-11-20T09:00:00Z' },
    { id: 'order-1001', value: 4_990, receivedAt: '2026-11-20T10:00:00Z' },
    { ...public_, id: 'page-1' },
    { ...public_, id: '0192a1b2-0000-7000-8000-00000000aaaa' },
  ])
  const find = async (id: string) =>
    (
      await fixture.execute(
        'query ($id: ID!) { event(id: $id) { id value trustClass } }',
        headers,
        { id },
      )
    ).data.event
  expect(await find('order-1001')).toEqual({ id: 'order-1001', value: 4_990, trustClass: 'SERVER' })
  for (const id of ['page-1', '0192a1b2-0000-7000-8000-00000000aaaa'])
    expect(await find(id)).toEqual({ id, value: 0.01, trustClass: 'PUBLIC' })
})

describe('search', () => {
  beforeAll(async () => {
    await fixture.store(
      'default',
      Array.from({ length: 24 }, (_, i) => ({
        id: `found-${i}`,
        name: i % 2 === 0 ? 'click' : 'view',
        occurredAt: `2026-11-21T${String(i).padStart(2, '0')}:30:00Z`,
        receivedAt: `2026-11-${i < 12 ? 21 : 23}T${String(i).padStart(2, '0')}:30:01Z`,
        source: i < 6 ? 'web' : null,
        properties: { plan: i % 3 === 0 ? 'pro' : 'free', 'then.by': 'a', nested: { a: i % 4 } },
      })),
    )
    await fixture.database.pool.query(
      `UPDATE event SET request_id = 'batch-7' WHERE client_event_id IN ('found-3', 'found-4');
       UPDATE event SET request_uuid = '6f0a2b52-7c0e-4d0b-9a53-51c1ce00abcd' WHERE client_event_id = 'found-5';
       UPDATE event SET request_id = '6f0a2b52-7c0e-4d0b-9a53-51c1ce00abcd' WHERE client_event_id = 'found-6'`,
    )
  })
  const idsOf = async (args: string) =>
    (await page(`(first: 100, ${args})`)).edges.map(({ node }) => Number(node.id.slice(6)))

  const day = 'startTime: "2026-11-21T00:00:00Z", endTime: "2026-11-22T00:00:00Z"'
  const filter = (dimension: string, ...values: string[]) =>
    `filter: [{ dimension: "${dimension}", in: ${JSON.stringify(values)} }]`

  test('a range of time selects by occurrence, its start included and its end not', async () => {
    const all = Array.from({ length: 24 }, (_, i) => 23 - i)
    expect(await idsOf(day)).toEqual(all)
    const hours = 'startTime: "2026-11-21T05:30:00Z", endTime: "2026-11-21T08:30:00Z"'
    expect(await idsOf(hours)).toEqual([7, 6, 5])
    expect(
      await idsOf(`startTime: "2026-11-21T21:00:00Z", endTime: "2026-11-22T00:00:00Z"`),
    ).toEqual([23, 22, 21])
  })

  test('filters are those of metrics, so a point lists exactly the events that it counts', async () => {
    for (const [name, condition] of [
      ['click', filter('plan', 'pro')],
      ['*', filter('source', 'web')],
      ['view', filter('nested.a', '1', '3')],
      ['*', filter('plan', 'none')],
    ]) {
      const { data } = await fixture.execute(
        `{ metrics(name: "${name}", ${day}, interval: TOTAL, ${condition}) { value } }`,
        headers,
      )
      const ofName = name === '*' ? '' : `name: "${name}", `
      expect((await idsOf(`${ofName}${day}, ${condition}`)).length).toBe(
        data.metrics[0]?.value ?? 0,
      )
    }
    expect(await idsOf(filter('source', 'web'))).toEqual([5, 4, 3, 2, 1, 0])
  })

  test('pages of a search neither skip nor repeat an event', async () => {
    const args = `${day}, ${filter('plan', 'free')}`
    const pages = await walk(
      (after) => page(`(first: 5, ${args}${after && `, after: "${after}"`})`),
      'endCursor',
    )
    const ids = pages.flatMap(({ edges }) => edges.map(({ node }) => Number(node.id.slice(6))))
    expect(pages.length).toBe(4)
    expect(ids).toEqual(await idsOf(args))
  })

  test('the events of a request are found by its id, whether it is a UUID or not', async () => {
    expect(await idsOf('requestId: "batch-7"')).toEqual([4, 3])
    expect(await idsOf('requestId: "6F0A2B52-7c0e-4d0b-9a53-51c1ce00abcd"')).toEqual([5])
    expect(await idsOf('requestId: "6f0a2b52-7c0e-4d0b-9a53-51c1ce00abcd"')).toEqual([6, 5])
    expect(await idsOf(`requestId: "batch-7", ${filter('plan', 'pro')}`)).toEqual([3])
    expect(await idsOf('requestId: "nothing"')).toEqual([])
  })

  test('a search over more events than a query may read is refused before it reads any', async () => {
    const { pool } = fixture.database
    const setCount = async (count: number) => {
      await pool.query("UPDATE rollup_15m SET count = $1 WHERE bucket = '2026-11-21T10:30:00Z'", [
        count,
      ])
      await pool.query("UPDATE pg_class SET reltuples = $1 WHERE relname = 'event_20261121'", [
        count,
      ])
    }
    await setCount(20_000_000)
    try {
      const refused = async (args: string) =>
        (await fixture.execute(`{ events(${args}) { edges { cursor } } }`, headers)).errors?.[0]
          ?.extensions.code
      expect(await refused(filter('source', 'web'))).toBe('QUERY_TOO_SLOW')
      expect(await refused('requestId: "batch-7"')).toBe('QUERY_TOO_SLOW')
      expect(await refused(`${day}, ${filter('source', 'web')}`)).toBe('QUERY_TOO_SLOW')
      const morning = 'startTime: "2026-11-21T00:00:00Z", endTime: "2026-11-21T06:00:00Z"'
      expect(await idsOf(`${morning}, ${filter('source', 'web')}`)).toEqual([5, 4, 3, 2, 1, 0])
      expect(await idsOf('name: "click"')).toHaveLength(12)
      // Imported events occurred before the days on which they are held.
      await pool.query("UPDATE rollup_15m SET count = 1 WHERE bucket = '2026-11-21T10:30:00Z'")
      expect(await refused('requestId: "batch-7"')).toBeUndefined()
      await pool.query(
        `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count)
         SELECT tenant_id, series_id, '2026-11-02T10:00:00Z', 20000000, 0, 0, 0 FROM series WHERE metric = 'click'`,
      )
      expect(await refused('requestId: "batch-7"')).toBe('QUERY_TOO_SLOW')
    } finally {
      await pool.query("DELETE FROM rollup_15m WHERE bucket = '2026-11-02T10:00:00Z'")
      await setCount(1)
    }
  })

  test.each([
    ['startTime: "2026-11-22T00:00:00Z", endTime: "2026-11-21T00:00:00Z"', 'endTime'],
    [filter('a..b', 'c'), 'filter'],
    [`requestId: "${'r'.repeat(1_025)}"`, 'requestId'],
  ])('an invalid argument is named: %s', async (args, argument) => {
    const response = await fixture.execute(`{ events(${args}) { edges { cursor } } }`, headers)
    expect(response.errors?.[0]?.extensions).toEqual({ code: 'BAD_USER_INPUT', argument })
  })
})
