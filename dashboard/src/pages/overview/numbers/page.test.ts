import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FixtureEvent } from '../../../../../core/api/graphql/testing/fixture.ts'
import { type Drawing, drawingOf, valueAt } from '../../../lib/testing/canvas.ts'
import { dice } from '../../../lib/testing/dice.ts'
import {
  type Bucket,
  bucketsBetween,
  type Interval,
  labelOf,
  local,
  timeOf,
} from '../../../lib/testing/plain-time.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/**
 * Every number and time on screen against the server's answers and a plain count of the events that were
 * stored, in a browser whose own zone is another one than the page's.
 */
const BROWSER_ZONE = 'Pacific/Auckland'
const NAMES = ['order', 'page_view', 'signup', 'search', 'login', 'logout', 'share']
const MORE_NAMES = ['export', 'import', 'invite', 'upgrade', 'refund']
const DAY_MS = 86_400_000

interface PastEvent extends FixtureEvent {
  name: string
  occurredMs: number
}

let dashboard: ServedDashboard
let page: Page
const roll = dice(20_251_102)
const events = makeEvents()

beforeAll(async () => {
  dashboard = await serveDashboard(['default'])
  page = await dashboard.openPage(BROWSER_ZONE)
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await dashboard.fixture.store('default', events)
  // So that all of the past is final.
  await dashboard.fixture.store('default', [{ name: 'order' }])
}, 240_000)
afterAll(() => dashboard?.close())

/** Many around the days on which clocks were moved, the others over years; some names far more often than others. */
function makeEvents(): PastEvent[] {
  const moved = ['2025-11-02T06:00:00Z', '2026-04-04T15:00:00Z'].map(Date.parse)
  const all = [...NAMES, ...MORE_NAMES]
  return Array.from({ length: 9_000 }, (_, i) => {
    const around = moved[i % 4]
    const occurredMs =
      around === undefined
        ? Date.parse('2023-01-01T00:00:00Z') + roll(1_240 * DAY_MS)
        : around + (roll(2) * 2 - 1) * roll(1 + roll(12 * DAY_MS))
    return {
      name: all[Math.min(roll(all.length), roll(all.length))] as string,
      occurredMs,
      occurredAt: new Date(occurredMs).toISOString(),
      late: roll(20) === 0,
    }
  })
}

const countIn = ({ start, end }: Bucket, matches: (event: PastEvent) => boolean = () => true) =>
  events.filter((event) => event.occurredMs >= start && event.occurredMs < end && matches(event))
    .length

/** What a range shows: its buckets, and as many before them. */
interface Case {
  interval: Interval
  zone: string
  from: string
  to: string
}
const cases: Case[] = [
  {
    interval: 'QUARTER_HOUR',
    zone: 'America/New_York',
    from: '2025-11-02T00:00',
    to: '2025-11-03T00:00',
  },
  { interval: 'HOUR', zone: 'America/New_York', from: '2025-10-30T00:00', to: '2025-11-05T00:00' },
  {
    interval: 'HOUR',
    zone: 'Australia/Lord_Howe',
    from: '2026-04-02T00:00',
    to: '2026-04-08T00:00',
  },
  { interval: 'DAY', zone: 'Asia/Kathmandu', from: '2025-10-20T00:00', to: '2025-11-14T00:00' },
  { interval: 'WEEK', zone: 'America/New_York', from: '2025-06-02T00:00', to: '2025-12-01T00:00' },
  { interval: 'MONTH', zone: 'Asia/Kathmandu', from: '2024-02-01T00:00', to: '2026-05-01T00:00' },
]

function expected({ interval, zone, from, to }: Case) {
  const [start, end] = [timeOf(from, zone), timeOf(to, zone)]
  const buckets = bucketsBetween(start, end, interval, zone)
  const long = bucketsBetween(timeOf('2021-01-01T00:00', zone), start, 'MONTH', zone)
  const earliest =
    interval === 'MONTH' ? (long[0] as Bucket).start : startOfWeek(start - 2 * (end - start), zone)
  const previous = bucketsBetween(earliest, start, interval, zone).slice(-buckets.length)
  return { start, end, buckets, previous }
}

/** A local Monday, 00:00, at or before that time. */
function startOfWeek(time: number, zone: string): number {
  let at = Math.floor(time / 900_000) * 900_000
  while (local(at, zone).weekday !== 'Mon' || local(at, zone).time !== '00:00') at -= 900_000
  return at
}

async function open({ zone, from, to }: Case, search = ''): Promise<void> {
  const iso = (text: string) => new Date(timeOf(text, zone)).toISOString()
  await page.goto(
    `${dashboard.url}/?tenant=default&zone=${zone}&from=${iso(from)}&to=${iso(to)}${search}`,
  )
}

/** The server's points as `start ▶ value, late count, state`. */
async function serverPoints(
  { interval, zone }: Case,
  { start, end }: { start: number; end: number },
) {
  const { metrics } = (await dashboard.ask(
    `query ($from: DateTime!, $to: DateTime!, $interval: Interval, $zone: String) {
       metrics(tenant: "default", name: "*", startTime: $from, endTime: $to, interval: $interval, timeZone: $zone) {
         timestamp value lateCount isFinal } }`,
    { from: new Date(start).toISOString(), to: new Date(end).toISOString(), interval, zone },
  )) as { metrics: { timestamp: string; value: number; lateCount: number; isFinal: boolean }[] }
  return new Map(metrics.map((point) => [Date.parse(point.timestamp), point]))
}

const number = (value: number) => value.toLocaleString('en-US')
const tableRows = () =>
  page.$$eval('.table-scroll tbody tr', (rows) =>
    rows.map((row) => [...row.children].map((cell) => cell.textContent ?? '')),
  )

describe.each(cases)('by $interval in $zone', (shown) => {
  const { start, end, buckets, previous } = expected(shown)
  const labels = buckets.map((bucket) => labelOf(bucket, shown.interval, shown.zone))

  test("the table shows the server's numbers, the period before and what came late, by the page's zone", async () => {
    await open(shown, '&view=table')
    await expect.poll(async () => (await tableRows()).length).toBe(buckets.length)
    const server = await serverPoints(shown, { start, end })
    const before = await serverPoints(shown, { start: (previous[0] as Bucket).start, end: start })
    expect([...server.keys()].filter((time) => !buckets.some((b) => b.start === time))).toEqual([])
    const rows = buckets.map((bucket, i) => {
      const point = server.get(bucket.start)
      const value = countIn(bucket)
      expect(point?.value ?? 0, labels[i]).toBe(value)
      const earlier = previous[i] as Bucket
      expect(before.get(earlier.start)?.value ?? 0).toBe(countIn(earlier))
      const late = countIn(bucket, (event) => event.late === true)
      return [labels[i] as string, ...[value, countIn(earlier), late].map(number), 'final']
    })
    await expect.poll(tableRows).toEqual(rows.reverse())
  })

  test('the chart draws the same numbers at their times, its axes name both, and so does the tooltip under the pointer', async () => {
    await open(shown)
    await page.locator('.legend-item', { hasText: 'previous period' }).waitFor()
    const drawing = await settled()
    const [line] = drawing.lines
    expect(drawing.lines).toHaveLength(1)
    const place = axisOf(buckets, drawing)
    expect(line?.map(({ x }) => x)).toEqual(buckets.map((b) => near(place.x(b.start))))
    expect(valuesOf(drawing, line)).toEqual(buckets.map((bucket) => countIn(bucket)))
    expect(drawing.previous.map(({ x }) => x)).toEqual(buckets.map((b) => near(place.x(b.start))))
    expect(valuesOf(drawing, drawing.previous)).toEqual(previous.map((bucket) => countIn(bucket)))
    const ticks = drawing.timeTicks
    expect(ticks.length).toBeGreaterThan(3)
    expect(ticks.map(({ text }) => text)).toEqual(
      ticks.map(({ x }, i) => tickText(place.time(x), shown, i === 0)),
    )

    for (const part of [0, 0.3, 0.62, 1]) {
      const i = Math.round(part * (buckets.length - 1))
      await hover(line?.[i]?.x)
      const earlier = previous[i] as Bucket
      await expect
        .poll(tooltipCells)
        .toEqual([
          labels[i],
          ...['events', number(countIn(buckets[i] as Bucket))],
          ...[labelOf(earlier, shown.interval, shown.zone), number(countIn(earlier))],
        ])
    }
  })
})

async function hover(x = Number.NaN): Promise<void> {
  const box = await page.locator('.chart').boundingBox()
  await page.mouse.move((box?.x ?? 0) + x, (box?.y ?? 0) + 100)
}
const tooltipCells = () =>
  page.locator('.chart-tooltip').locator('.tooltip-title, th, td').allInnerTexts()

/** The same twice in a row: drawn to the end. */
async function settled(isComplete = (now: Drawing) => now.previous.length > 0): Promise<Drawing> {
  let last = ''
  await expect
    .poll(async () => {
      const drawing = JSON.stringify(await drawingOf(page))
      const isSame = drawing === last && isComplete(JSON.parse(drawing))
      last = drawing
      return isSame
    })
    .toBe(true)
  return JSON.parse(last)
}

const near = (value: number) => expect.closeTo(value, 0) as number
const valuesOf = (drawing: Drawing, points: Drawing['previous'] = []) =>
  points.map(({ y }) => Math.round(valueAt(drawing, y)) + 0)

/** Time to pixel and back: the first bucket at the left end of the line and the last at the right. */
function axisOf(buckets: Bucket[], { lines: [line] }: Drawing) {
  const [left, right] = [line?.[0]?.x ?? 0, line?.at(-1)?.x ?? 0]
  const [first, last] = [buckets[0]?.start ?? 0, buckets.at(-1)?.start ?? 0]
  return {
    x: (time: number) => left + ((time - first) / (last - first)) * (right - left),
    time: (x: number) => first + ((x - left) / (right - left)) * (last - first),
  }
}

/** The text of a tick at about that time: ticks are at round quarters of an hour. */
function tickText(about: number, { interval, zone }: Case, isFirst: boolean): string {
  const { time, day, month } = local(Math.round(about / 900_000) * 900_000, zone)
  if (interval === 'MONTH') return month
  if (interval === 'DAY' || interval === 'WEEK') return day
  return time === '00:00' && !isFirst ? day : time
}

describe('by name', () => {
  const shown = cases[1] as Case
  const { start, end, buckets, previous } = expected(shown)
  const labels = buckets.map((bucket) => labelOf(bucket, shown.interval, shown.zone))
  const inRange = { start, end }
  const counts = new Map<string, number>()
  for (const { name } of events.filter((e) => e.occurredMs >= start && e.occurredMs < end))
    counts.set(name, (counts.get(name) ?? 0) + 1)
  const byCount = [...counts]
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([name]) => name)
  const top = byCount.slice(0, 8)
  const ofName = (name: string) => (event: PastEvent) =>
    name === 'other' ? !top.includes(event.name) : event.name === name
  const lines = [...top, 'other']

  test('the table has a column for each of the most frequent names, and one for all others', async () => {
    await open(shown, '&view=table&split=name')
    const head = () => page.locator('.table-scroll thead th').allInnerTexts()
    await expect.poll(head).toEqual(['Time', ...lines, 'Late events', 'State'])
    const rows = buckets.map((bucket, i) => [
      labels[i],
      ...lines.map((name) => number(countIn(bucket, ofName(name)))),
      number(countIn(bucket, (event) => event.late === true)),
      'final',
    ])
    expect(await tableRows()).toEqual(rows.reverse())
  })

  test('the chart stacks the same numbers, and its tooltip lists them from the top of the stack', async () => {
    await open(shown, '&split=name')
    await page.locator('.legend button', { hasText: 'other' }).waitFor()
    const drawing = await settled((now) => now.lines.length === lines.length)
    const height = (points: { y: number }[]) => points.reduce((sum, { y }) => sum + y, 0)
    const stack = drawing.lines.toSorted((a, b) => height(b) - height(a))
    for (const [i, line] of stack.entries()) {
      const below = lines.slice(0, i + 1)
      const sums = buckets.map((bucket) =>
        countIn(bucket, (event) => below.some((name) => ofName(name)(event))),
      )
      expect(valuesOf(drawing, line), lines[i]).toEqual(sums)
    }
    const i = 50
    await hover(drawing.lines[0]?.[i]?.x)
    await expect
      .poll(tooltipCells)
      .toEqual([
        labels[i],
        ...lines
          .toReversed()
          .flatMap((name) => [name, number(countIn(buckets[i] as Bucket, ofName(name)))]),
        ...['total', number(countIn(buckets[i] as Bucket))],
      ])
  })

  test('one name alone is compared with its own period before, and is copied as CSV with the same numbers', async () => {
    await open(shown, '&view=table&name=order')
    const ofOrder = ofName('order')
    const rows = buckets.map((bucket, i) => [
      labels[i],
      ...[bucket, previous[i] as Bucket].map((part) => number(countIn(part, ofOrder))),
      number(countIn(bucket, (event) => event.late === true && ofOrder(event))),
      'final',
    ])
    await expect.poll(tableRows).toEqual(rows.reverse())
    expect(await page.locator('.table-scroll thead th').allInnerTexts()).toEqual([
      ...['Time', 'order', 'Previous period', 'Late events', 'State'],
    ])
    await page.getByRole('button', { name: 'Copy as CSV' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const [header, ...lines] = ((await page.evaluate('navigator.clipboard.readText()')) as string)
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','))
    expect(header).toEqual(['time', 'order', 'previous_period', 'is_final'])
    expect(
      lines.map(([time, ...rest]) => [Date.parse(time as string), time?.slice(-6), ...rest]),
    ).toEqual(
      buckets.map((bucket, i) => [
        bucket.start,
        local(bucket.start, shown.zone).offset.replace('UTC', ''),
        ...[bucket, previous[i] as Bucket].map((part) => `${countIn(part, ofOrder)}`),
        'true',
      ]),
    )
  })

  test('the top events have their count, their share and their change, and the rest is one row', async () => {
    await open(shown)
    const length = end - start
    const before = { start: start - length, end: start }
    const total = countIn(inRange)
    const figures = (name: string, matches: (event: PastEvent) => boolean) => {
      const [value, earlier] = [countIn(inRange, matches), countIn(before, matches)]
      return [name, `${value}`, percent(value, total), change(value, earlier)]
    }
    const named = byCount.slice(0, 10)
    const rows = () =>
      page.$$eval('.top-events tbody tr', (all) =>
        all.map((row) =>
          [...row.children].map((cell) => cell.textContent?.replaceAll('\u00a0', ' ') ?? ''),
        ),
      )
    await expect
      .poll(rows)
      .toEqual([
        ...named.map((name) => figures(name, ofName(name))),
        figures('all others', (event) => !named.includes(event.name)),
      ])
  })
})

const percent = (part: number, of: number) => `${((part / of) * 100).toFixed(1)} %`
function change(value: number, before: number): string {
  if (value === before) return '±0 %'
  const by = Math.abs((value / before - 1) * 100)
  return `${value > before ? '+' : '−'}${by.toFixed(by < 99.95 ? 1 : 0)} %`
}
