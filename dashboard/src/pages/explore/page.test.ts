import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FixtureEvent } from '../../../../core/api/graphql/testing/fixture.ts'
import { createBackfill } from '../../../../core/metrics/backfill.ts'
import { drawingOf } from '../../lib/testing/canvas.ts'
import { dice } from '../../lib/testing/dice.ts'
import { type ServedDashboard, serveDashboard } from '../../lib/testing/serve-dashboard.ts'

/** Explore in a real browser: names with markup and of two directions, late events, and plans that some events lack. */
const FROM = '2026-11-10T00:00:00Z'
const RANGE = `from=${FROM}&to=2026-11-11T00:00:00Z&zone=Asia/Kathmandu`
const ORDER = 'طلب <b>order</b>'
const PLANS = ['pro', 'free', undefined, '<img src=x onerror=alert(1)>', 'שלום', '=1+1']
const roll = dice(3)
const events = Array.from({ length: 600 }, (_, i) => ({
  name: roll(3) === 0 ? 'signup' : ORDER,
  occurredMs: Date.parse(FROM) + roll(86_400_000),
  late: roll(10) === 0,
  actor: `actor-${roll(40)}`,
  source: roll(4) === 0 ? null : `web-${roll(2)}`,
  value: i % 3 === 0 ? null : roll(1_000) / 8,
  properties: { plan: PLANS[roll(PLANS.length)], country: ['NP', 'DE', 'US'][roll(3)] as string },
}))

let dashboard: ServedDashboard
let page: Page
beforeAll(async () => {
  dashboard = await serveDashboard(['default', 'other'])
  page = await dashboard.openPage('Europe/Berlin')
  await dashboard.fixture.store(
    'default',
    events.map(
      ({ occurredMs, late, ...event }): FixtureEvent => ({
        ...event,
        late,
        occurredAt: new Date(occurredMs).toISOString(),
        receivedAt: new Date(occurredMs + (late ? 3 * 86_400_000 : 1_000)).toISOString(),
      }),
    ),
  )
}, 240_000)
afterAll(() => dashboard?.close())

const open = (search: string, shown = page) =>
  shown.goto(`${dashboard.url}/explore?${RANGE}&${search}`)
const cells = () => page.locator('.result-table tbody .point-button')
const texts = (selector: string) => page.locator(selector).allInnerTexts()
const param = (name: string) => new URL(page.url()).searchParams.getAll(name)
const orders = events.filter(({ name }) => name === ORDER)

test('a query is put together by keyboard alone, and its link restores it', async () => {
  await open('')
  await page.locator('.provenance').waitFor()
  const type = async (key: string, text: string) => {
    await page.keyboard.press(key)
    await page.locator('input[role="combobox"]:focus').waitFor()
    // Quicker than the options are loaded: what is chosen is still one of them.
    await page.keyboard.type(text)
    await page.keyboard.press('Enter')
  }
  await type('e', 'order')
  await expect.poll(() => param('name')).toEqual([ORDER])
  await page.locator('.popover-panel').waitFor({ state: 'detached' })
  await type('f', 'country')
  await page.getByRole('combobox', { name: 'Search values of country' }).fill('NP')
  await page.locator('.search-options .option', { hasText: 'NP' }).waitFor()
  await page.keyboard.press('Enter')
  await expect.poll(() => param('filter')).toEqual(['country:NP'])
  await page.getByRole('combobox', { name: 'Search values of country' }).fill('DE')
  await page.locator('.search-options .option', { hasText: 'DE' }).waitFor()
  await page.keyboard.press('Enter')
  await expect.poll(() => param('filter')).toEqual(['country:NP', 'country:DE'])
  await page.keyboard.press('Escape')
  await page.locator('.add-filter button:focus').waitFor()
  await type('b', 'plan')
  await expect.poll(() => param('by')).toEqual(['plan'])
  await page.locator('.popover-panel').waitFor({ state: 'detached' })
  await page.keyboard.press('i')
  await page.getByRole('button', { name: 'Every hour' }).press('Enter')
  await page.keyboard.press('t')
  await expect
    .poll(() => ['name', 'filter', 'by', 'interval', 'view'].map(param))
    .toEqual([[ORDER], ['country:NP', 'country:DE'], ['plan'], ['hour'], ['table']])
  const expected = orders.filter(({ properties }) => properties.country !== 'US').length
  const total = async () =>
    (await texts('.result-table tbody td:nth-last-child(3)')).reduce((sum, n) => sum + Number(n), 0)
  await expect.poll(total).toBe(expected)
  const shown = await texts('.result-table')
  await page.goto('about:blank')
  await page.goBack()
  await expect.poll(() => texts('.result-table')).toEqual(shown)
  // What names hold is text, in the direction that it has.
  expect(await page.locator('.explore img').count()).toBe(0)
  expect(await texts('.query-chip .control-text')).toContain(ORDER)
})

test('values that are typed and confirmed before their options are loaded are all chosen, in whatever haste', async () => {
  await open('')
  await page.locator('.provenance').waitFor()
  await page.keyboard.press('f')
  await page.locator('input[role="combobox"]:focus').fill('country')
  await page.keyboard.press('Enter')
  const values = page.getByRole('combobox', { name: 'Search values of country' })
  await values.waitFor()
  // Until both are confirmed, nothing is loaded.
  let load = () => {}
  const confirmed = new Promise<void>((resolve) => {
    load = resolve
  })
  await page.route('**/graphql', async (route) => {
    if (route.request().postDataJSON().operationName === 'ExploreValues') await confirmed
    await route.continue()
  })
  for (const value of ['NP', 'D']) {
    await values.fill(value)
    await page.keyboard.press('Enter')
  }
  await values.fill('U')
  load()
  await expect.poll(() => param('filter')).toEqual(['country:NP', 'country:DE'])
  // The list is that of what is typed now.
  await page.locator('.search-options').getByText('US', { exact: true }).waitFor()
  await page.unroute('**/graphql')
})

test('a link to a result shows what changed since, by causes that add up, and so does a revised point', async () => {
  const search =
    'from=2026-11-13T00:00:00Z&to=2026-11-14T00:00:00Z&zone=Asia/Kathmandu&name=changing&interval=hour&view=table'
  const show = (more = '') => page.goto(`${dashboard.url}/explore?${search}${more}`)
  const change = (value: number, late: boolean): FixtureEvent => ({
    name: 'changing',
    occurredAt: '2026-11-13T08:00:00Z',
    receivedAt: '2026-11-13T20:00:00Z',
    value,
    late,
  })
  await dashboard.fixture.store('default', [change(1, false), change(2, false)])
  await show()
  await page.locator('.provenance time').waitFor()
  const since = (await page.locator('.provenance time').getAttribute('datetime')) as string
  // With it the hour is final.
  const later = { name: 'later', occurredAt: '2026-11-15T00:00:00Z' }
  await dashboard.fixture.store('default', [later])
  await dashboard.fixture.store('default', [change(4, true), change(8, false), change(16, false)])
  await show(`&aggregate=sum&since=${since}`)
  await page.locator('.causes tfoot').waitFor()
  expect(await texts('.causes tbody tr, .causes tfoot tr')).toEqual([
    'Arrived in time\t+2\t+24',
    'Late events\t+1\t+4',
    'Sum\t\t+28',
  ])
  expect(await texts('.changed-points tbody td')).toEqual([
    '3',
    '31',
    'Arrived in time +24, Late events +4',
  ])
  await page.keyboard.press('Escape')
  await page.locator('.causes').waitFor({ state: 'detached' })
  expect(param('since')).toEqual([])

  await page.locator('.state-button').press('Enter')
  await page.locator('.causes tfoot').waitFor()
  // All of them were stored after the hour had ended.
  expect((await texts('.causes tfoot td')).at(-1)).toBe('+31')
  expect(param('since')).toEqual(['2026-11-13T08:15:00.000Z'])
})

test('removing a chip by keyboard changes the query and leaves the focus beside it', async () => {
  await open('filter=country:NP&by=plan')
  await page.getByRole('button', { name: 'Remove the filter on country' }).press('Enter')
  await page.locator('.add-filter button:focus').waitFor()
  await page.getByRole('button', { name: 'Stop grouping by plan' }).press('Enter')
  await page.locator('.add-group button:focus').waitFor()
  expect([param('filter'), param('by')]).toEqual([[], []])
})

test('each point of a table lists exactly the events that it counts, by group and filter, late ones too', async () => {
  await open('by=plan&interval=hour&view=table&filter=source:web-0&filter=source')
  await cells().first().waitFor()
  const groups = (await texts('.result-table thead th')).slice(1, -3)
  expect(groups.toSorted()).toEqual(PLANS.map((plan) => plan ?? '(none)').toSorted())
  const inRow = await page.locator('.result-table tbody tr').nth(4).locator('.point-button').count()
  expect(inRow).toBe(groups.length + 1)
  // The fifth row from the top is the twentieth hour; in Kathmandu hours begin at a quarter past in UTC.
  const row = page.locator('.result-table tbody tr').nth(4)
  const label = await row.locator('th').innerText()
  for (let i = 0; i < inRow; i++) {
    const button = row.locator('.point-button').nth(i)
    const value = Number(await button.innerText())
    await button.click()
    await page.locator('.point-events h2', { hasText: label }).waitFor()
    const group = groups[i]
    if (group) await page.locator('.point-events h2', { hasText: group }).waitFor()
    const sentence = value === 1 ? 'counts 1 event, and' : `counts ${value} events, and`
    await page.locator('.point-comparison', { hasText: sentence }).waitFor()
    await expect.poll(() => page.locator('.point-rows .feed-row').count()).toBe(value)
  }
  expect(param('at')).toHaveLength(1)
  await page.keyboard.press('Escape')
  await page.locator('.point-events').waitFor({ state: 'detached' })
})

test('a click on the chart lists the events of the point under the pointer, and dragging explains what changed', async () => {
  await open(`name=${encodeURIComponent(ORDER)}&interval=hour`)
  await page.locator('.chart canvas').waitFor()
  await expect.poll(async () => (await drawingOf(page)).lines.length).toBe(1)
  const [line] = (await drawingOf(page)).lines
  const at = line?.[7] as { x: number; y: number }
  const box = await page.locator('.chart').boundingBox()
  const { x = 0, y = 0 } = box ?? {}
  await page.mouse.click(x + at.x, y + at.y + 4)
  await page.locator('.point-comparison').waitFor()
  const [start] = param('at')
  const from = Date.parse(start as string)
  const counted = orders.filter(
    ({ occurredMs }) => occurredMs >= from && occurredMs < from + 3_600_000,
  )
  await expect.poll(() => page.locator('.point-rows .feed-row').count()).toBe(counted.length)
  expect(counted.length).toBeGreaterThan(0)
  // The region's difference to the time before, by values that add up to it.
  await page.mouse.move(x + at.x, y + 40)
  await page.mouse.down()
  await page.mouse.move(x + at.x + 200, y + 40, { steps: 4 })
  await page.mouse.up()
  await page.locator('.contributions tfoot').waitFor()
  await page.locator('.contributions-by button').click()
  await page.locator('input[role="combobox"]:focus').fill('country')
  await page.keyboard.press('Enter')
  await page.locator('.contributions tbody').getByText('NP', { exact: true }).waitFor()
  expect(await page.locator('.contributions tbody tr').count()).toBe(3)
  const [first = '', last = ''] = param('region')[0]?.split('/') ?? []
  const [start2, end2] = [Date.parse(first), Date.parse(last)]
  const countIn = (from: number, to: number, country: string) =>
    orders.filter(
      ({ occurredMs, properties }) =>
        occurredMs >= from && occurredMs < to && properties.country === country,
    ).length
  const rows = await page.locator('.contributions tbody tr').allInnerTexts()
  const differences = ['NP', 'DE', 'US'].map((country) => {
    const before = countIn(start2 - (end2 - start2), start2, country)
    const after = countIn(start2, end2, country)
    const row = rows.find((text) => text.startsWith(country))?.split(/\s+/)
    expect(row?.slice(1, 3)).toEqual([`${before}`, `${after}`])
    return after - before
  })
  const sum = differences.reduce((total, each) => total + each, 0)
  const shown = sum === 0 ? '±0' : `${sum > 0 ? '+' : '−'}${Math.abs(sum)}`
  expect(await page.locator('.contributions tfoot td').nth(2).innerText()).toBe(shown)
  await page.getByRole('button', { name: 'Zoom in' }).click()
  await expect.poll(() => param('from')).toEqual([first])
})

test('the previous period is drawn and listed, each bucket with the one before it', async () => {
  await page.goto(
    `${dashboard.url}/explore?from=2026-11-10T12:00:00Z&to=2026-11-11T00:00:00Z&zone=UTC&interval=hour`,
  )
  await page.locator('.chart canvas').waitFor()
  await page.keyboard.press('v')
  await expect.poll(async () => (await drawingOf(page)).previous.length).toBe(12)
  await page.keyboard.press('t')
  await page.locator('.result-table thead', { hasText: 'Previous period' }).waitFor()
  const before = Array.from({ length: 12 }, (_, hour) => {
    const from = Date.parse(FROM) + hour * 3_600_000
    return events.filter(({ occurredMs }) => occurredMs >= from && occurredMs < from + 3_600_000)
      .length
  })
  const listed = await texts('.result-table tbody td:nth-child(3)')
  expect(listed.map(Number).reverse()).toEqual(before)
  expect(param('compare')).toEqual(['previous'])
})

test('a funnel shows how many actors take its steps in their order, and a retention who came back', async () => {
  await open(`show=funnel&step=signup&step=${encodeURIComponent(ORDER)}&window=3600`)
  await page.locator('.funnel-table').waitFor()
  const byActor = Map.groupBy(events, ({ actor }) => actor)
  const started = [...byActor.values()].filter((own) => own.some(({ name }) => name === 'signup'))
  const finished = started.filter((own) =>
    own.some(
      (first) =>
        first.name === 'signup' &&
        own.some(
          ({ name, occurredMs }) =>
            name === ORDER &&
            occurredMs > first.occurredMs &&
            occurredMs <= first.occurredMs + 3_600_000,
        ),
    ),
  )
  const actors = (await texts('.funnel-table tbody td:nth-child(2)')).map(Number)
  expect(actors).toEqual([started.length, finished.length])
  await page.getByRole('button', { name: 'Remove step 2' }).press('Enter')
  await page.locator('.empty', { hasText: 'at least two' }).waitFor()

  await page.getByRole('button', { name: 'Retention' }).click()
  await page.locator('.retention-table').waitFor()
  expect(param('show')).toEqual(['retention'])
  const cohorts = (await texts('.retention-table tbody td:nth-child(2)')).map(Number)
  expect(cohorts.reduce((sum, count) => sum + count, 0)).toBe(byActor.size)
})

test('a query is declared as a metric with progress, and a point of the metric lists its events', async () => {
  await open(`name=${encodeURIComponent(ORDER)}&filter=country:NP&filter=country:DE&by=plan`)
  await page.locator('.groups').waitFor()
  await page.getByRole('button', { name: 'Declare as metric' }).press('Enter')
  await page.getByLabel('Name of the metric').fill('orders abroad')
  await page.keyboard.press('Enter')
  await page.locator('.declare progress').waitFor()
  // What a worker does by itself.
  const { pool } = dashboard.fixture.database
  const backfill = createBackfill(pool, new AbortController().signal)
  while ((await backfill.step()) !== 'idle');
  await page.locator('.declare', { hasText: 'is complete' }).waitFor()
  await page.getByRole('button', { name: 'Show the metric' }).press('Enter')
  await expect.poll(() => [param('name'), param('filter')]).toEqual([['orders abroad'], []])
  await page.locator('.provenance', { hasText: 'the declared metric orders abroad' }).waitFor()
  await page.keyboard.press('t')
  await cells().first().waitFor()
  const row = page.locator('.result-table tbody tr', { hasText: '20:00 –' }).first()
  const total = row.locator('.point-button').last()
  const value = Number(await total.innerText())
  await total.click()
  await page.locator('.point-comparison', { hasText: `counts ${value} event` }).waitFor()
  await expect.poll(() => page.locator('.point-rows .feed-row').count()).toBe(value)
})

test('averages show gaps where nothing was measured, and the value of each group over the whole range', async () => {
  await open('aggregate=avg&by=country&interval=quarter_hour&view=table')
  await cells().first().waitFor()
  expect(await texts('.result-table .point-button')).toContain('–')
  const rows = await page.locator('.groups tbody tr').allInnerTexts()
  const expected = ['NP', 'DE', 'US'].map((country) => {
    const values = events
      .filter(({ properties, value }) => properties.country === country && value !== null)
      .map(({ value }) => value as number)
    return [country, values.reduce((sum, value) => sum + value, 0) / values.length] as const
  })
  for (const [country, average] of expected)
    expect(rows.find((row) => row.startsWith(country))?.replaceAll(/\s/g, '')).toBe(
      `${country}${average.toLocaleString('en-US', { maximumFractionDigits: 2 })}`,
    )
})

test('a query that is refused says why and what would help, and is not sent again and again', async () => {
  let sent = 0
  await page.route('**/graphql', async (route) => {
    if (route.request().postDataJSON().operationName !== 'Explore') return route.continue()
    sent++
    if (route.request().postDataJSON().variables.groupBy.length === 0) return route.continue()
    const advice = 'The query would read up to 12.0 million single events. Choose a shorter range.'
    const errors = [{ message: advice, extensions: { code: 'QUERY_TOO_SLOW' } }]
    await route.fulfill({ status: 503, json: { errors } })
  })
  await open('by=plan')
  await page.locator('.problem', { hasText: 'too expensive' }).waitFor()
  expect(await page.locator('.problem').innerText()).toContain('12.0 million single events')
  const before = sent
  await page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
  await page.getByRole('button', { name: 'Stop grouping', exact: true }).click()
  await page.locator('.chart canvas').waitFor()
  expect([sent - before, await page.locator('.problem').count()]).toEqual([1, 0])
  await page.unroute('**/graphql')
  await open('by=a..b')
  await page.locator('.problem', { hasText: 'not valid' }).waitFor()
  expect(await page.locator('.problem').innerText()).toContain('"a..b" is not a dimension')
})

test('a query without events says so, and offers what finds some', async () => {
  await open('name=nothing&filter=plan:gold')
  await page.locator('.result-empty', { hasText: 'No events named nothing' }).waitFor()
  await page.getByRole('button', { name: 'Remove the filters' }).click()
  await page.getByRole('button', { name: 'Count all events' }).click()
  await page.locator('.chart canvas').waitFor()
})

test('the numbers are saved as CSV, safe for spreadsheets, and as NDJSON; both have what the page shows', async () => {
  await open('by=plan&interval=day&view=table')
  await cells().first().waitFor()
  const save = async (name: string) => {
    await page.getByRole('button', { name: 'Export' }).click()
    const download = page.waitForEvent('download')
    await page.getByRole('button', { name }).click()
    const file = await download
    return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') }
  }
  const csv = await save('CSV')
  expect(csv.name).toBe('all-events-2026-11-10.csv')
  expect(csv.text).toContain(",'=1+1,")
  const lines = csv.text.trim().split('\r\n')
  expect(lines[0]).toBe('timestamp,value,plan,final,late_count,revised')
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0)
  expect(sum(lines.slice(1).map((line) => Number(line.split(',')[1])))).toBe(600)
  const rows = (await save('NDJSON')).text.trim().split('\n')
  expect(sum(rows.map((row) => JSON.parse(row).value))).toBe(600)
  const total = await texts('.result-table tbody td:nth-last-child(3)')
  expect(sum(total.map(Number))).toBe(600)
})

test('the query is shown as a request for scripts and agents, without a key, and closes with Escape', async () => {
  await open('by=plan&filter=country:NP')
  await page.locator('.chart canvas').waitFor()
  await page.getByRole('button', { name: 'Use as API' }).press('Enter')
  await page.locator('.requests-dialog').waitFor()
  for (const [name, part] of [
    ['curl', '$READ_KEY'],
    ['GraphQL', 'filter: [{ dimension: "country", in: ["NP"] }]'],
    ['MCP', '"name": "query_metric"'],
  ] as const) {
    await page.getByRole('button', { name, exact: true }).press('Enter')
    await page.locator('.requests-dialog pre', { hasText: part }).waitFor()
  }
  expect(await page.locator('.requests-dialog').innerText()).not.toMatch(/slc_|sluice_session/)
  await page.keyboard.press('Escape')
  await page.locator('.requests-dialog').waitFor({ state: 'detached' })
})

test('an earlier query of this browser is listed, and shown again', async () => {
  await open('by=country')
  await page.locator('.groups').waitFor()
  await open('name=signup')
  await page.locator('.chart canvas').waitFor()
  await page.keyboard.press('h')
  await page.getByRole('button', { name: /Count of all events · by country/ }).press('Enter')
  await page.locator('.groups').waitFor()
  expect([param('by'), param('name')]).toEqual([['country'], []])
})

test('the page fits 390 and 1440 px in light and dark, and axe finds nothing in any of its states', async () => {
  const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8')
  for (const [width, colorScheme] of [
    [390, 'dark'],
    [1440, 'light'],
  ] as const) {
    const shown = await dashboard.openPage('Europe/Berlin', {
      viewport: { width, height: 900 },
      colorScheme,
    })
    const check = async (state: string) => {
      await shown.evaluate(axe)
      const found = await shown.evaluate(
        'axe.run().then((result) => result.violations.map(({ id }) => id))',
      )
      const scrollWidth = await shown.evaluate('document.documentElement.scrollWidth')
      expect([state, found, scrollWidth]).toEqual([state, [], width])
    }
    await open('by=plan&filter=source:web-0', shown)
    await shown.locator('.groups').waitFor()
    await check('chart')
    for (const key of ['f', 'm']) {
      await shown.keyboard.press(key)
      await shown.locator('.popover-panel').waitFor()
      await check(key)
      await shown.keyboard.press('Escape')
      await shown.locator('.popover-panel').waitFor({ state: 'detached' })
    }
    await shown.keyboard.press('t')
    await shown.locator('.point-button').first().click()
    await shown.locator('.point-comparison').waitFor()
    await check('table and events')
    // The others have no layout of their own where there is room.
    if (width > 390) continue
    await open(`show=funnel&step=signup&step=${encodeURIComponent(ORDER)}`, shown)
    await shown.locator('.funnel-table').waitFor()
    await check('funnel')
    await open('show=retention', shown)
    await shown.locator('.retention-table').waitFor()
    await check('retention')
    await open('by=plan', shown)
    await shown.getByRole('button', { name: 'What changed?' }).click()
    await shown.locator('.contributions tfoot').waitFor()
    await check('contributions')
    await open('by=plan&since=2026-11-10T00:00:00Z', shown)
    await shown.locator('.causes tfoot').waitFor()
    await check('changes')
    await open('by=a..b', shown)
    await shown.locator('.problem').waitFor()
    await check('refused')
  }
}, 120_000)
