import type { Page, Route } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { FixtureEvent } from '../../../../../core/api/graphql/testing/fixture.ts'
import { dice } from '../../../lib/testing/dice.ts'
import { local, timeOf } from '../../../lib/testing/plain-time.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/** Tiles, live feed and minutes: what moves with the clock, in a browser of another zone than the page's. */
const ZONE = 'America/New_York'
const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
const WAIT = { timeout: 15_000, interval: 100 }

interface PastEvent extends FixtureEvent {
  occurredMs: number
  actor: string
}
const now = Date.now()
const roll = dice(7)
/** More of them in the last days. None so young that it would be in the range in one moment only. */
const events: PastEvent[] = Array.from({ length: 500 }, (_, i) => {
  const occurredMs = now - 3 * MINUTE_MS - roll(i % 2 === 0 ? 12 * DAY_MS : 300 * DAY_MS)
  return {
    name: ['order', 'page_view'][roll(2)] as string,
    actor: `actor-${roll(1 + roll(150))}`,
    occurredMs,
    occurredAt: new Date(occurredMs).toISOString(),
  }
})
/** By the minute received, not by what the events say. */
const outcomes = [
  { at: now - 60 * MINUTE_MS, dead: 10, duplicate: 3, conflicting: 2 },
  { at: now - 3 * DAY_MS, dead: 4, duplicate: 0, conflicting: 0 },
  { at: now - 5 * DAY_MS, dead: 100, duplicate: 50, conflicting: 50 },
]

let dashboard: ServedDashboard
let page: Page
beforeAll(async () => {
  dashboard = await serveDashboard(['default', 'feed', 'held'])
  page = await dashboard.openPage('Pacific/Auckland')
  await dashboard.fixture.store('default', events)
  for (const { at, dead, duplicate, conflicting } of outcomes)
    await dashboard.fixture.database.pool.query(
      `INSERT INTO outcome_minute (tenant_id, minute, dead, duplicate, conflicting)
       SELECT tenant_id, date_trunc('minute', $1::timestamptz), $2, $3, $4 FROM tenant WHERE slug = 'default'`,
      [new Date(at).toISOString(), dead, duplicate, conflicting],
    )
}, 240_000)
afterAll(() => dashboard?.close())

const open = (search: string) => page.goto(`${dashboard.url}/?zone=${ZONE}&${search}`)
const text = (part: string | null) => (part ?? '').replaceAll('\u00a0', ' ')
/** Title, number and notes of a tile, and the exact number on hover. */
const tile = async (title: RegExp) => {
  const found = page.locator('.tile', { hasText: title })
  const value = found.locator('.tile-value')
  return {
    value: text(await value.textContent()),
    exact: await value.getAttribute('title', { timeout: 1_000 }).catch(() => null),
    notes: (await found.locator('.tile-note').allTextContents()).map(text),
  }
}
const EVENTS = /^Events(?! per minute)/

interface Span {
  from: number
  to: number
}
const eventsIn = ({ from, to }: Span) =>
  events.filter(({ occurredMs }) => occurredMs >= from && occurredMs < to)
const sumIn = ({ from, to }: Span, what: 'dead' | 'duplicate' | 'conflicting') =>
  outcomes.reduce((sum, each) => sum + (each.at >= from && each.at < to ? each[what] : 0), 0)
const actorsIn = (span: Span) => new Set(eventsIn(span).map(({ actor }) => actor)).size

function change(value: number, before: number): string {
  if (before === 0) return value === 0 ? '' : 'new'
  if (value === before) return '±0 %'
  if (value / before >= 10) return `×${(value / before).toFixed(1).replace('.0', '')}`
  const by = Math.abs((value / before - 1) * 100)
  return `${value > before ? '+' : '−'}${by.toFixed(by < 99.95 ? 1 : 0)} %`
}
const compared = (value: number, before: number) => `${change(value, before)}${before} before`

const today = local(now, ZONE)
const midnight = (daysAgo: number) => {
  const { year } = today
  const day = new Date(Date.parse(`${today.day} ${year} 12:00 UTC`) - daysAgo * DAY_MS)
  return timeOf(`${day.toISOString().slice(0, 10)}T00:00`, ZONE)
}
const quarter = (time: number) => Math.floor(time / 900_000) * 900_000

/** Where the range begins; each of them is still open, so it ends now. */
const ranges: [string, string, () => number][] = [
  ['the last 24 hours', 'range=24h', () => quarter(Date.now()) - 95 * 900_000],
  ['the last 30 days', 'range=30d', () => midnight(29)],
  [
    'a range that ends in three days',
    `from=${new Date(quarter(now - 2 * DAY_MS)).toISOString()}&to=${new Date(quarter(now + 3 * DAY_MS)).toISOString()}`,
    () => quarter(now - 2 * DAY_MS),
  ],
]

test.each(ranges)(
  'of %s the tiles show the events so far, and compare them with as long a period before',
  async (_, search, from) => {
    await open(`tenant=default&${search}`)
    const spans = () => {
      const [start, end] = [from(), Date.now()]
      return [
        { from: start, to: end },
        { from: start - (end - start), to: start },
      ] as const
    }
    const expected = () => {
      const [current, before] = spans()
      const [count, dead] = [eventsIn(current).length, sumIn(current, 'dead')]
      const doubles = sumIn(current, 'duplicate') + sumIn(current, 'conflicting')
      const actors = actorsIn(current)
      const each = Math.round((count / actors) * 10) / 10
      return {
        events: {
          value: `${count}`,
          exact: `${count}`,
          notes: [
            'by time of occurrence',
            compared(count, eventsIn(before).length),
            `${doubles} duplicates removed, ${sumIn(current, 'conflicting')} with other content`,
          ],
        },
        dead: {
          value: `${dead}`,
          exact: `${dead}`,
          notes: [
            'by time received',
            compared(dead, sumIn(before, 'dead')),
            `${((dead / (count + dead)) * 100).toFixed(1)} % of all`,
          ],
        },
        actors: {
          value: `${actors}`,
          exact: `${actors}`,
          notes: [
            'by time of occurrence',
            compared(actors, actorsIn(before)),
            `${each} events each`,
          ],
        },
      }
    }
    // Again and again: both move with the clock.
    await vi.waitFor(async () => {
      const shown = {
        events: await tile(EVENTS),
        dead: await tile(/^Dead letters/),
        actors: await tile(/^Unique actors/),
      }
      expect(shown).toEqual(expected())
    }, WAIT)
  },
)

test('the feed shows when an event was received by the clock of the page, and how late and how fast it was', async () => {
  const second = Math.floor(Date.now() / 1_000) * 1_000
  const rows = [
    { age: 5 * MINUTE_MS + 117, lateMs: 0, late: undefined },
    { age: 61_000, lateMs: 90 * 1_000, late: '2 min' },
    { age: 12 * 60 * MINUTE_MS, lateMs: 5 * 3_600_000, late: '5 h' },
    { age: 3 * DAY_MS, lateMs: 4 * DAY_MS, late: '4 d' },
  ].map(({ age, lateMs, late }, i) => ({
    ...{ id: `feed-${i}`, name: `name ${i}`, late },
    receivedMs: second - age,
    occurredMs: second - age - lateMs,
  }))
  await dashboard.fixture.store(
    'feed',
    rows.map(({ id, name, receivedMs, occurredMs }) => ({
      ...{ id, name, actor: 'ada', value: 4.25, properties: { plan: 'pro', nested: {} } },
      receivedAt: new Date(receivedMs).toISOString(),
      occurredAt: new Date(occurredMs).toISOString(),
    })),
  )
  const stored = (await dashboard.ask(
    'query { events(tenant: "feed", first: 10) { edges { node { id storedAt partition offset } } } }',
  )) as { events: { edges: { node: { id: string; offset: string; partition: number } }[] } }
  await open('tenant=feed&range=24h')
  const shown = page.locator('.feed-row')
  await expect.poll(() => shown.count()).toBe(rows.length)
  for (const [i, row] of rows.sort((a, b) => b.receivedMs - a.receivedMs).entries()) {
    const { weekday, day, year, clock } = local(row.receivedMs, ZONE)
    const time = shown.nth(i).locator('time')
    expect([await time.innerText(), await shown.nth(i).locator('.feed-name').innerText()]).toEqual([
      clock,
      row.name,
    ])
    const ms = String(row.receivedMs % 1_000).padStart(3, '0')
    expect(await time.getAttribute('title')).toContain(`${weekday} ${day} ${year}, ${clock}.${ms}`)
    await shown.nth(i).locator('.feed-summary').click()
    const detail = text(await shown.nth(i).locator('.feed-outcome p').textContent())
    const node = stored.events.edges.find((edge) => edge.node.id === row.id)?.node
    const offset = Number(node?.offset).toLocaleString('en-US')
    expect(detail).toContain(`partition:offset ${node?.partition}:${offset}`)
    expect(/It occurred (.*) before it was received/.exec(detail)?.[1]).toBe(row.late)
    const json = await shown.nth(i).locator('pre').textContent()
    const sent = JSON.parse(json ?? '')
    expect(sent).toMatchObject({
      ...{ event_id: row.id, name: row.name, actor: 'ada', value: 4.25 },
    })
    expect(Date.parse(sent.received_at)).toBe(row.receivedMs)
    expect(Date.parse(sent.occurred_at)).toBe(row.occurredMs)
  }
})

test('minutes are those in which events were received, with the fifteen minutes before them', async () => {
  const minute = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS
  const counts = new Map<number, number>()
  const added = [2, 2, 5, 9, 17, 17, 17, 20, 20, 33].map((ago) => {
    const receivedMs = minute - ago * MINUTE_MS + 1_000
    counts.set(minute - ago * MINUTE_MS, (counts.get(minute - ago * MINUTE_MS) ?? 0) + 1)
    return {
      receivedAt: new Date(receivedMs).toISOString(),
      occurredAt: new Date(receivedMs - 40 * DAY_MS).toISOString(),
    }
  })
  await dashboard.fixture.store('held', added)
  await open('tenant=held&range=15m&view=table')
  const rows = () =>
    page.$$eval('.table-scroll tbody tr', (all) =>
      all.map((row) => [...row.children].slice(0, 3).map((cell) => cell.textContent)),
    )
  await vi.waitFor(async () => {
    const current = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS
    const expected = Array.from({ length: 15 }, (_, i) => {
      const at = current - i * MINUTE_MS
      const from = local(at, ZONE)
      return [
        `${from.weekday} ${from.day}, ${from.time} – ${local(at + MINUTE_MS, ZONE).time}`,
        `${counts.get(at) ?? 0}`,
        `${counts.get(at - 15 * MINUTE_MS) ?? 0}`,
      ]
    })
    expect(await rows()).toEqual(expected)
  }, WAIT)
  const peak = /peak (\d+) this hour/
  expect(peak.exec((await tile(/^Events per minute/)).notes.join(' '))?.[1]).toBe('3')
})

test('each number says whether it goes by the time received or by the time of occurrence', async () => {
  const titles = async () => (await page.locator('.panel h2').allInnerTexts()).map(text)
  const others = ['Top events by time of occurrence', 'Live feed by time received']
  await dashboard.fixture.store('feed', [{ name: 'one' }])
  await open('tenant=feed&range=15m')
  await expect.poll(titles).toEqual(['Events per minute, by time received', ...others])
  expect((await tile(/^Events per minute/)).notes[0]).toBe('received in the last 60 s')
  await open('tenant=feed&range=7d')
  await expect.poll(titles).toEqual(['Events per hour, by time of occurrence', ...others])
})

test('an event stored while a query is running is shown without waiting for the next one or for the clock', async () => {
  const old = new Date(Date.now() - 40 * DAY_MS).toISOString()
  await dashboard.fixture.store('held', [{ name: 'old', occurredAt: old }])
  await open('tenant=held&range=24h')
  const shown = async () => Number((await tile(EVENTS)).value)
  await expect.poll(shown).toBe(0)
  const totals = (route: Route) => route.request().postDataJSON().operationName === 'Totals'
  let release = () => {}
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  let isTaken = false
  let isHeld = false
  await page.route('**/graphql', async (route) => {
    if (!totals(route) || isTaken) return route.continue()
    isTaken = true
    const response = await route.fetch()
    isHeld = true
    await released
    await route.fulfill({ response })
  })
  // Every fifteen seconds the page asks anyway. With a clock that stands still it never does; and half a
  // minute on, because after a slow query it waits that long before the next one.
  await page.evaluate(`{
    const stopped = Math.ceil(Date.now() / 15_000) * 15_000 + 31_200
    Date.now = () => stopped
  }`)
  await dashboard.fixture.store('held', [{ name: 'first' }])
  await expect.poll(() => isHeld).toBe(true)
  await dashboard.fixture.store('held', [{ name: 'second' }])
  await page.locator('.feed-name', { hasText: 'second' }).waitFor()
  release()
  await expect.poll(shown).toBe(2)
  await page.unroute('**/graphql')
})
