import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { drawingOf } from '../../../lib/testing/canvas.ts'
import {
  type Bucket,
  bucketsBetween,
  type Interval,
  labelOf,
  local,
  timeOf,
} from '../../../lib/testing/plain-time.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/** Ranges and zones as a person chooses them, in a browser of another zone than the page's. */
const BROWSER_ZONE = 'Pacific/Auckland'
const ZONE = 'America/New_York'
const HOUR_MS = 3_600_000

let dashboard: ServedDashboard
let page: Page
const receivedMs = Math.floor(Date.now() / 1_000) * 1_000 - 100_000
beforeAll(async () => {
  dashboard = await serveDashboard(['default'])
  page = await dashboard.openPage(BROWSER_ZONE)
  const receivedAt = new Date(receivedMs).toISOString()
  await dashboard.fixture.store('default', [
    { name: 'now', receivedAt },
    // One in each hour of a week.
    ...Array.from({ length: 168 }, (_, hour) => ({
      name: 'past',
      receivedAt,
      occurredAt: new Date(Date.parse('2025-06-29T00:30:00Z') + hour * HOUR_MS).toISOString(),
    })),
  ])
}, 240_000)
afterAll(() => dashboard?.close())

const goto = (search: string) => page.goto(`${dashboard.url}/?${search}`)
const absolute = (from: string, to: string, zone = ZONE) =>
  `zone=${zone}&from=${iso(timeOf(from, zone))}&to=${iso(timeOf(to, zone))}`
const iso = (time: number) => new Date(time).toISOString()
const params = () => new URL(page.url()).searchParams
const labels = () => page.locator('.table-scroll tbody th').allInnerTexts()
const expectedLabels = (start: number, end: number, interval: Interval, zone: string) =>
  bucketsBetween(start, end, interval, zone)
    .map((bucket) => labelOf(bucket, interval, zone))
    .reverse()

test.each([
  ['America/New_York', '2025-07-01T09:30', '2025-07-03T18:15', 'HOUR'],
  ['Asia/Kathmandu', '2025-06-30T22:45', '2025-07-01T03:00', 'QUARTER_HOUR'],
  // Over the night in which clocks go back.
  ['America/New_York', '2025-11-01T12:00', '2025-11-02T12:00', 'QUARTER_HOUR'],
] as const)(
  'a range chosen on the clock of %s, from %s to %s, is that range',
  async (zone, from, to, interval) => {
    await goto(`zone=${zone}&view=table&range=24h`)
    await page.locator('.table-scroll tbody tr').first().waitFor()
    await page.keyboard.press('r')
    await page.getByLabel('From', { exact: true }).fill(from)
    await page.getByLabel('To', { exact: true }).fill(to)
    await page.getByRole('button', { name: 'Apply' }).click()
    await page.locator('.range-panel').waitFor({ state: 'detached' })
    const [start, end] = [timeOf(from, zone), timeOf(to, zone)]
    expect([params().get('from'), params().get('to'), params().get('range')]).toEqual([
      ...[iso(start), iso(end), null],
    ])
    const wanted = expectedLabels(start, end, interval, zone)
    // The first and the last bucket may be counted in part, and are named by that part.
    await expect.poll(async () => (await labels()).slice(1, -1)).toEqual(wanted.slice(1, -1))
    const [first, last] = [local(start, zone), local(end, zone)]
    expect((await labels()).at(-1)).toContain(`${first.time} –`)
    expect((await labels())[0]).toMatch(new RegExp(`– (${last.day}, )?${last.time}$`))
    const button = await page.locator('.range button').first().innerText()
    expect(button).toContain(`${first.day} ${first.year}, ${first.time}`)
    expect(button).toMatch(new RegExp(`– (${last.day} ${last.year}, )?${last.time}$`))
    // Opened again, the form shows what was chosen, on the same clock.
    await page.keyboard.press('r')
    expect(await page.getByLabel('From', { exact: true }).inputValue()).toBe(from)
    expect(await page.getByLabel('To', { exact: true }).inputValue()).toBe(to)
    await page.keyboard.press('Escape')
  },
)

test.each([
  // Of quarters of an hour, and of days, which begin at midnight.
  ['24h', 23, 25, /:\d\d$/],
  ['30d', 29 * 24, 30 * 24, /T00:00$/],
])(
  'the form begins with the range of %s that is shown, up to now, on the clock of the page',
  async (range, hoursMin, hoursMax, beginning) => {
    await goto(`zone=${ZONE}&range=${range}&view=table`)
    await page.locator('.table-scroll tbody tr').first().waitFor()
    await page.keyboard.press('r')
    const [from, to] = [
      await page.getByLabel('From', { exact: true }).inputValue(),
      await page.getByLabel('To', { exact: true }).inputValue(),
    ]
    expect(from).toMatch(beginning)
    const shownTo = local(Date.now(), ZONE)
    expect([shownTo.time, local(Date.now() - 60_000, ZONE).time]).toContain(to.slice(11))
    const until = Date.parse(`${to}:00Z`) - Date.parse(`${from}:00Z`)
    expect(until).toBeGreaterThanOrEqual(hoursMin * HOUR_MS)
    expect(until).toBeLessThanOrEqual(hoursMax * HOUR_MS)
    await page.keyboard.press('Escape')
  },
)

test('an end before the start, and half a date, are refused with a sentence, and the URL stays', async () => {
  await goto(`zone=${ZONE}&range=24h`)
  await page.locator('.chart').waitFor()
  await page.keyboard.press('r')
  await page.getByLabel('From', { exact: true }).fill('2025-07-03T09:30')
  await page.getByLabel('To', { exact: true }).fill('2025-07-03T09:30')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByText('The end must be after the start.').waitFor()
  await page.getByLabel('To', { exact: true }).fill('')
  await page.getByRole('button', { name: 'Apply' }).click()
  await page.getByText('Enter a date and a time for both ends.').waitFor()
  expect(params().get('range')).toBe('24h')
  await page.keyboard.press('Escape')
})

interface Place {
  x: number
  y: number
}

/** Where the chart drew the start of two of its buckets, in pixels of the page. */
async function placesOf(count: number, [a, b]: [number, number]): Promise<[Place, Place]> {
  const look = async () => ({
    drawn: (await drawingOf(page)).lines[0] ?? [],
    box: await page.locator('.chart').boundingBox(),
  })
  let last = await look()
  // The panels above it may still grow, and move it.
  const isSteady = async () => {
    const before = last
    last = await look()
    return last.drawn.length === count && JSON.stringify(last) === JSON.stringify(before)
  }
  await expect.poll(isSteady, { interval: 100 }).toBe(true)
  const { drawn, box } = last
  const place = (i: number) => ({ x: (drawn[i]?.x ?? 0) + (box?.x ?? 0), y: 100 + (box?.y ?? 0) })
  return [place(a), place(b)]
}

async function drag(from: Place, to: Place): Promise<void> {
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  await page.mouse.move((from.x + to.x) / 2, from.y)
  await page.mouse.move(to.x, to.y)
  await page.mouse.up()
}

test('dragging across the chart chooses from the first bucket to the end of the last one, in either direction', async () => {
  const [from, to] = ['2025-06-29T00:00', '2025-07-04T00:00']
  const buckets = bucketsBetween(timeOf(from, ZONE), timeOf(to, ZONE), 'HOUR', ZONE)
  await goto(absolute(from, to))
  await drag(...(await placesOf(buckets.length, [100, 61])))
  const chosen = () => [params().get('from'), params().get('to')]
  await expect
    .poll(chosen)
    .toEqual([iso((buckets[61] as Bucket).start), iso((buckets[100] as Bucket).end)])
  await page.goBack()
  await drag(...(await placesOf(buckets.length, [0, 5])))
  await expect
    .poll(chosen)
    .toEqual([iso((buckets[0] as Bucket).start), iso((buckets[5] as Bucket).end)])
  // And what is shown then is what was dragged over: one event an hour.
  await page.keyboard.press('t')
  await expect.poll(async () => (await labels()).length).toBe(24)
  const counts = await page.locator('.table-scroll td:nth-child(2)').allInnerTexts()
  expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(6)
})

test('the browser goes back to the range and the zone before, and forward again', async () => {
  await goto(`${absolute('2025-07-01T00:00', '2025-07-02T00:00')}&view=table`)
  const first = expectedLabels(
    ...([timeOf('2025-07-01T00:00', ZONE), timeOf('2025-07-02T00:00', ZONE)] as const),
    ...(['QUARTER_HOUR', ZONE] as const),
  )
  await expect.poll(labels).toEqual(first)
  await page.keyboard.press('r')
  await page.getByRole('button', { name: 'Last 24 hours' }).click()
  await expect.poll(() => params().get('range')).toBe('24h')
  await expect.poll(labels).not.toEqual(first)
  await chooseZone('Kathmandu')
  await expect.poll(() => params().get('zone')).toBe('Asia/Kathmandu')
  await page.goBack()
  expect(params().get('zone')).toBe(ZONE)
  await page.goBack()
  await expect.poll(labels).toEqual(first)
  expect(await page.locator('.tile-range').first().innerText()).toBe(
    '1 Jul 2025, 00:00 – 2 Jul 2025, 00:00',
  )
  await page.goForward()
  await page.goForward()
  expect([params().get('range'), params().get('zone')]).toEqual(['24h', 'Asia/Kathmandu'])
})

async function chooseZone(city: string): Promise<void> {
  await page.keyboard.press('z')
  await page.getByRole('combobox', { name: 'Search time zones' }).fill(city)
  await page.keyboard.press('Enter')
  await page.locator('.zone-panel').waitFor({ state: 'detached' })
}

test('another zone moves every clock of the page', async () => {
  const [start, end] = [timeOf('2025-07-01T00:00', ZONE), timeOf('2025-07-02T00:00', ZONE)]
  // What answers for longer than the page is open: a notice with a clock.
  await page.route('**/graphql', async (route) => {
    if (route.request().postDataJSON().operationName === 'Actors')
      await route.fulfill({ json: { errors: [{ message: 'no', extensions: { code: 'BAD' } }] } })
    else await route.continue()
  })
  const opened = Date.now()
  await goto(`${absolute('2025-07-01T00:00', '2025-07-02T00:00')}&view=table`)
  await page.locator('.notice', { hasText: 'Failing since' }).waitFor()
  for (const [city, zone] of [
    ['New York', ZONE],
    ['Kathmandu', 'Asia/Kathmandu'],
    ['Lord Howe', 'Australia/Lord_Howe'],
  ] as const) {
    await chooseZone(city)
    const [from, to] = [local(start, zone), local(end, zone)]
    const range = `${from.day} ${from.year}, ${from.time} – ${to.day} ${to.year}, ${to.time}`
    await expect.poll(labels).toEqual(expectedLabels(start, end, 'QUARTER_HOUR', zone))
    expect(await page.locator('.range .control-text').innerText()).toBe(range)
    expect(new Set(await page.locator('.tile-range').allInnerTexts())).toEqual(new Set([range]))
    expect(await page.locator('.feed-row time').first().innerText()).toBe(
      local(receivedMs, zone).clock,
    )
    // The offset is the one of the times that are shown, not of today.
    expect(await page.locator('.legend-zone').innerText()).toContain(`(${from.offset})`)
    // Of the query that fails, and of the worker, which is not there.
    const notices = (await page.locator('.notice').allInnerTexts()).join(' ')
    const since = [...notices.matchAll(/since (\d\d:\d\d:\d\d)/g)].map((match) => match[1])
    const times = Array.from({ length: 60 }, (_, i) => local(opened + i * 1_000, zone).clock)
    expect(since.length).toBeGreaterThan(0)
    expect(times).toEqual(expect.arrayContaining(since))
    expect(await page.locator('.zone button').first().getAttribute('title')).toContain(zone)
  }
  await page.unroute('**/graphql')
})

test('shortcuts switch between chart and table, and between one line and one for each name, and the URL says so', async () => {
  await goto(absolute('2025-07-01T00:00', '2025-07-02T00:00'))
  await page.locator('.chart').waitFor()
  const state = () => [params().get('view'), params().get('split')]
  await page.keyboard.press('t')
  await expect.poll(state).toEqual(['table', null])
  await page.keyboard.press('n')
  await expect.poll(state).toEqual(['table', 'name'])
  await expect.poll(() => page.locator('.table-scroll th').nth(1).innerText()).toBe('past')
  await page.keyboard.press('n')
  await page.keyboard.press('t')
  await expect.poll(state).toEqual([null, null])
  await page.keyboard.press('l')
  const off = page.locator('.badge', { hasText: 'live updates off' })
  await off.waitFor()
  await page.keyboard.press('l')
  await off.waitFor({ state: 'detached' })
})
