import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOT } from '../../lib/paths.ts'
import { createQueryFixture, type QueryFixture } from './testing/fixture.ts'

/** The queries of docs/compatibility.md for clients of PulseOps, by their operation names. */
const [, section = ''] = readFileSync(join(ROOT, 'docs/compatibility.md'), 'utf8').split(
  '## PulseOps',
)
const QUERIES = new Map(
  [...section.matchAll(/```graphql\n(query (\w+)[^`]+)```/g)].map(([, query, name]) => [
    name as string,
    query as string,
  ]),
)

let fixture: QueryFixture
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  headers = await fixture.keyOf('default')
  await fixture.store('default', [
    ...['ann', 'ann', 'bob', null].map((actor, i) => ({
      id: `view-${i}`,
      name: 'view',
      actor,
      occurredAt: `2026-11-20T0${i}:00:00Z`,
      receivedAt: `2026-11-20T0${i}:00:00Z`,
      properties: { segment: i === 2 ? 'pro' : 'free' },
    })),
    {
      name: 'order',
      actor: 'bob',
      occurredAt: '2026-11-21T10:00:00Z',
      receivedAt: '2026-11-21T10:00:00Z',
    },
    { name: 'view', occurredAt: '2026-11-19T10:00:00Z', receivedAt: '2026-11-19T10:00:00Z' },
  ])
})
afterAll(() => fixture.close())

const RANGE = { start: '2026-11-20T00:00:00Z', end: '2026-11-22T00:00:00Z' }
const PRO = { filter: [{ dimension: 'segment', in: ['pro'] }] }
const days = (first: number, second: number) => [
  { date: '2026-11-20T00:00:00Z', value: first },
  { date: '2026-11-21T00:00:00Z', value: second },
]

test.each([
  ['DailyActiveUsers', RANGE, { dailyActiveUsers: days(2, 1) }],
  ['DailyActiveUsers', { ...RANGE, ...PRO }, { dailyActiveUsers: days(1, 0).slice(0, 1) }],
  [
    'EventCounts',
    RANGE,
    {
      eventCounts: {
        names: [
          { eventName: 'view', count: 4, previousCount: 1 },
          { eventName: 'order', count: 1, previousCount: 0 },
        ],
      },
    },
  ],
  ['TotalEvents', RANGE, { totalEvents: { count: 5 } }],
  ['EventCountsOverTime', RANGE, { eventCountsOverTime: days(4, 1) }],
  [
    'EventCountsOverTime',
    { ...RANGE, eventName: 'order' },
    { eventCountsOverTime: days(0, 1).slice(1) },
  ],
  [
    'RecentEvents',
    { limit: 1, ...PRO },
    {
      recentEvents: {
        edges: [
          {
            node: {
              id: 'view-2',
              eventName: 'view',
              userId: 'bob',
              timestamp: '2026-11-20T02:00:00Z',
              properties: { segment: 'pro' },
            },
          },
        ],
      },
    },
  ],
])('the query %s for clients of PulseOps gives its members: %o', async (name, variables, data) => {
  const query = QUERIES.get(name) as string
  const response = await fixture.execute(query, headers, variables)
  expect(response.errors).toBeUndefined()
  expect(response.data).toEqual(data)
})

test('every query of the page is run here', () => {
  expect([...QUERIES.keys()]).toEqual([
    'DailyActiveUsers',
    'EventCounts',
    'TotalEvents',
    'EventCountsOverTime',
    'RecentEvents',
  ])
})
