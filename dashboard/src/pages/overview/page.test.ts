import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { DateTime } from 'luxon'
import type { Browser, Page, Route } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createQueryFixture,
  type QueryFixture,
} from '../../../../core/api/graphql/testing/fixture.ts'
import { createCoreApp } from '../../../../core/api/http/app.ts'
import { createMetrics } from '../../../../core/api/http/metrics.ts'
import { type Served, serveApp } from '../../../../core/api/http/serve.ts'
import { loginUrl, mintLoginLink } from '../../../../core/identity/login-links.ts'
import { DASHBOARD_FOLDER } from '../../../../core/lib/paths.ts'
import {
  launchBrowser,
  saveCoverage,
  signIn,
  startCoverage,
} from '../../../../tests/lib/browser.ts'
import { buildAll } from '../../../../tools/build.ts'

const DAY_MS = 86_400_000

/** The overview in a real browser, on a Postgres that holds years. */
let fixture: QueryFixture
let core: Served
let browser: Browser
let page: Page
beforeAll(async () => {
  await buildAll()
  ;[fixture, browser] = await Promise.all([createQueryFixture(), launchBrowser()])
  const { db, log, graphql } = fixture
  const app = createCoreApp({
    db,
    log,
    logger: { error() {} },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: DASHBOARD_FOLDER },
  })
  core = await serveApp(app, { port: 0 })
  // biome-ignore lint/suspicious/noThenProperty: what a client sends is data, whatever its name
  const properties = { then: 'x', toJSON: 'y', constructor: 'z' }
  await fixture.store('default', [{ name: 'signup', actor: 'ada', properties }])
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } })
  page = await context.newPage()
  await startCoverage(page)
  await signIn(page, loginUrl(core.url, await mintLoginLink(db)))
}, 240_000)
afterAll(async () => {
  await saveCoverage(page)
  await browser?.close()
  await core?.close(0)
  await fixture?.close()
})

const open = (search: string) => page.goto(`${core.url}/?zone=UTC&${search}`)
const tile = (beginsWith: string) => page.locator('.tile', { hasText: beginsWith })
const rows = () => page.locator('.table-scroll tbody tr')
/** Those of the table that have events, newest first: `Sat 12 Jul 2025 1`. */
const daysCounted = async () => {
  const days = await rows().locator('th').allInnerTexts()
  const counts = await rows().locator('td:nth-child(2)').allInnerTexts()
  return days.map((day, i) => `${day} ${counts[i]}`).filter((row) => !row.endsWith(' 0'))
}

test('a result for the previous range is never shown as the result for the chosen range', async () => {
  await open('range=7d&split=name&view=table')
  await expect.poll(() => rows().count()).toBe(168)
  let holding = true
  const held: { operation: string; route: Route }[] = []
  await page.route('**/graphql', async (route) => {
    const { operationName: operation } = route.request().postDataJSON()
    if (!holding) await route.continue()
    else if (operation === 'Metrics' || operation === 'Totals') held.push({ operation, route })
    else await route.continue()
  })
  const waiting = (operation: string) => held.filter((request) => request.operation === operation)
  await fixture.store('default', [{ name: 'signup' }])
  // A slow query is repeated less often.
  await expect
    .poll(() => [waiting('Metrics').length, waiting('Totals').length], { timeout: 35_000 })
    .toEqual([1, 1])

  await page.keyboard.press('r')
  await page.getByRole('button', { name: 'Last 30 days' }).click()
  await page.locator('.trend .skeleton-chart').waitFor()
  await expect.poll(() => waiting('Totals').length).toBe(2)
  await page.evaluate(`window.shown = []
    new MutationObserver(() => shown.push(document.querySelectorAll('.table-scroll tbody tr').length))
      .observe(document.body, { childList: true, subtree: true })`)
  const [late] = waiting('Metrics')
  const arrived = page.waitForResponse((response) => response.request() === late?.route.request())
  await late?.route.continue()
  await (await arrived).finished()
  holding = false
  for (const { route } of waiting('Totals')) await route.continue()
  await expect.poll(() => rows().count()).toBe(30)
  expect(await page.evaluate('shown')).not.toContain(168)
  await page.unroute('**/graphql')
}, 60_000)

test('the badge names the component at which canaries stop, and how long they took before', async () => {
  const sql = (text: string) => fixture.database.pool.query(text)
  await sql(
    `INSERT INTO worker_heartbeat (worker_id, beat_at) VALUES ('w', now() + interval '20 s');
     INSERT INTO canary_sender VALUES (true, now(), 60, '{https://a}', 5, 99);
     INSERT INTO canary SELECT gen_random_uuid(), 'https://a', now() - interval '9 min', now(), now() - interval '538.8 s'
       FROM generate_series(1, 9);
     INSERT INTO canary SELECT gen_random_uuid(), 'https://a', now(), NULL, NULL, 'gateway' FROM generate_series(1, 2)`,
  )
  await open('range=7d')
  const badge = page.locator('.top .badge')
  await expect.poll(() => badge.innerText()).toBe('gateway down')
  await expect
    .poll(() => badge.getAttribute('title'))
    .toMatch(/after 1\.2.s \(p50\), 1\.2.s \(p95\)/)
  expect(await page.locator('.notice').innerText()).toContain('The gateway is down')
  await sql('TRUNCATE canary, canary_sender; DELETE FROM worker_heartbeat')
}, 30_000)

test('the tile, the chart and the table of a range show the same numbers, whatever bucket the range begins and ends in', async () => {
  await fixture.store(
    'default',
    [
      ['2024-01-10T12:00:00Z', 1],
      ['2024-01-20T12:00:00Z', 2],
      ['2024-05-20T12:00:00Z', 4],
      ['2026-10-10T12:00:00Z', 8],
      ['2026-10-25T12:00:00Z', 16],
    ].flatMap(([occurredAt, times]) =>
      Array.from({ length: times as number }, () => ({
        name: 'visit',
        occurredAt: occurredAt as string,
      })),
    ),
  )
  await open('from=2024-01-15T00:00:00Z&to=2026-10-20T00:00:00Z&view=table')
  await expect.poll(() => rows().count()).toBe(34)
  const counted = await rows().locator('td:nth-child(2)').allInnerTexts()
  expect(counted.map(Number).filter((count) => count > 0)).toEqual([8, 4, 2])
  expect(await tile('Events15 Jan').locator('.tile-value').innerText()).toBe('14')
  const times = await rows().locator('th').allInnerTexts()
  expect([times[0], times[1], times.at(-1)]).toEqual([
    '1 Oct, 00:00 – 20 Oct, 00:00',
    'September 2026',
    '15 Jan 2024, 00:00 – 1 Feb 2024, 00:00',
  ])
})

test('the actors tile shows that actors of a range no longer kept are unknown, and since when they are known', async () => {
  const old = new Date(Date.now() - 60 * DAY_MS).toISOString()
  await fixture.store('default', [{ name: 'visit', receivedAt: old, actor: 'bob' }])
  await fixture.database.pool.query(`DROP TABLE event_${old.slice(0, 10).replaceAll('-', '')}`)
  await open('range=90d')
  const actors = tile('Unique actors')
  await expect.poll(() => actors.locator('.tile-value').innerText()).toBe('–')
  expect(await actors.innerText()).toContain('not known for this range')
  expect(await actors.innerText()).toMatch(/known since \d+ \w{3} \d{4}/)
  await open('range=24h')
  await expect.poll(() => actors.locator('.tile-value').innerText()).toBe('1')
  expect(await actors.innerText()).toContain('events each')
})

test('a failed query shows a notice in place of its numbers and is retried', async () => {
  let isAway = true
  await page.route('**/graphql', async (route) => {
    const { operationName: operation } = route.request().postDataJSON()
    if (isAway && operation === 'Totals')
      await route.fulfill({
        json: { errors: [{ message: 'Postgres is away', extensions: { code: 'UNAVAILABLE' } }] },
      })
    else await route.continue()
  })
  await open('range=30d')
  const notice = page.locator('.notice', { hasText: 'The totals are missing' })
  await notice.waitFor()
  expect(await tile('Eventslast 30 days').locator('.tile-value').innerText()).not.toMatch(/[0-9]/)
  isAway = false
  // At once: when it is retried by itself the button is gone.
  await notice.getByRole('button').dispatchEvent('click')
  await expect
    .poll(() => tile('Eventslast 30 days').locator('.tile-value').innerText())
    .toMatch(/[1-9]/)
  await notice.waitFor({ state: 'detached' })
  await page.unroute('**/graphql')
})

test('a panel that could not be loaded shows that, whatever is chosen', async () => {
  const failing = new Set(['Totals', 'Actors', 'Metrics', 'Recent'])
  await page.route('**/graphql', async (route) => {
    if (failing.has(route.request().postDataJSON().operationName))
      await route.fulfill({ json: { errors: [{ message: 'No', extensions: { code: 'NO' } }] } })
    else await route.continue()
  })
  await open('range=30d')
  const tiles = ['Eventslast 30 days', 'Unique actors', 'Dead letters'].map(tile)
  for (const failed of tiles) {
    await failed.getByText('could not be loaded').waitFor()
    expect(await failed.locator('.tile-value').innerText()).toBe('–')
  }
  await page.locator('.top-events', { hasText: 'The top events could not be loaded.' }).waitFor()
  const chart = page.locator('.trend', { hasText: 'The chart could not be loaded.' })
  await chart.waitFor()
  // What it is split by comes with the totals.
  failing.delete('Metrics')
  await open('range=30d&split=name')
  await chart.waitFor()
  await open('range=30d&name=rare')
  await page.getByText('Earlier events could not be loaded. The next rare will appear').waitFor()
  await page.unroute('**/graphql')
})

test('the range of a tile is shown in full on a narrow screen too', async () => {
  const size = page.viewportSize()
  for (const width of [390, 800, 1440]) {
    await page.setViewportSize({ width, height: 900 })
    await open('from=2024-01-15T00:00:00Z&to=2025-10-20T00:00:00Z')
    const range = tile('Unique actors').locator('.tile-range')
    await range.waitFor()
    expect(await range.innerText()).toBe('15 Jan 2024, 00:00 – 20 Oct 2025, 00:00')
    const isCut = (element: HTMLElement) => element.scrollWidth > element.clientWidth
    expect(await range.evaluate(isCut), `at ${width} px`).toBe(false)
  }
  if (size) await page.setViewportSize(size)
})

test('the live update of one tenant is never shown under the name of another', async () => {
  await fixture.store('default', [{ name: 'signup' }, { name: 'signup' }])
  await fixture.store('other', [{ name: 'order' }])
  // The other tenant has no event of that name.
  await open('tenant=default&name=signup&range=15m')
  const now = tile('Events per minute').locator('.tile-value')
  const feed = page.locator('.feed')
  await expect.poll(() => now.innerText()).toMatch(/[1-9]/)
  await expect.poll(() => feed.innerText()).toContain('signup')
  await page.route('**/graphql', async (route) => {
    const { accept = '' } = route.request().headers()
    if (accept.includes('text/event-stream')) await route.abort()
    else await route.continue()
  })
  await page.locator('.tenant select').selectOption('other')
  await expect.poll(() => now.innerText()).not.toMatch(/[0-9]/)
  expect(await feed.innerText()).not.toContain('signup')
  expect(new URL(page.url()).searchParams.get('name')).toBeNull()
  // Its panels say that nothing has come yet.
  await tile('Events per minute').getByText('could not be loaded').waitFor()
  await page.getByText('Minutes appear here as soon as Sluice can be reached.').waitFor()
  await page.unroute('**/graphql')
})

test('in another time zone the table of an absolute range counts the same events', async () => {
  await fixture.store(
    'default',
    ['2025-07-10T12:00:00Z', '2025-07-12T23:00:00Z'].map((occurredAt) => ({ occurredAt })),
  )
  await open('from=2025-07-08T00:00:00Z&to=2025-07-18T00:00:00Z&view=table')
  await expect.poll(daysCounted).toEqual(['Sat 12 Jul 2025 1', 'Thu 10 Jul 2025 1'])
  await page.keyboard.press('z')
  await page.getByRole('combobox', { name: 'Search time zones' }).fill('Kathmandu')
  await page.keyboard.press('Enter')
  await expect.poll(daysCounted).toEqual(['Sun 13 Jul 2025 1', 'Thu 10 Jul 2025 1'])
})

test('an absolute range is counted and labelled in 15-minute buckets, because single events are not kept for ever', async () => {
  const day = new Date(Date.now() - 70 * DAY_MS).toISOString().slice(0, 10)
  await fixture.store(
    'default',
    ['14:01', '14:04', '14:20', '14:57'].map((time) => ({ receivedAt: `${day}T${time}:00Z` })),
  )
  await fixture.database.pool.query(`DROP TABLE event_${day.replaceAll('-', '')}`)
  await open(`from=${day}T14:03:00Z&to=${day}T14:58:00Z&view=table`)
  await expect
    .poll(() => rows().locator('td:nth-child(2)').allInnerTexts())
    .toEqual([...['1', '0', '1', '2']])
  const events = page.locator('.tile', { hasText: /^Events(?! per minute)/ })
  await expect.poll(() => events.locator('.tile-value').innerText()).toBe('4')
  expect(await events.innerText()).toContain('14:00 – 15:00')
  expect(await page.locator('.range button').first().innerText()).toContain('14:00 – 15:00')
})

test('the day since which actors are known begins with known actors in every time zone', async () => {
  const now = Date.now()
  const on = (daysAgo: number) => new Date(now - daysAgo * DAY_MS).toISOString().slice(0, 10)
  await fixture.store('default', [
    { receivedAt: `${on(6)}T23:30:00Z`, actor: 'eve' },
    { receivedAt: `${on(5)}T12:00:00Z`, actor: 'eve' },
  ])
  await fixture.database.pool.query(`DROP TABLE event_${on(6).replaceAll('-', '')}`)
  const actors = tile('Unique actors')
  for (const zone of ['Europe/Berlin', 'America/Los_Angeles', 'UTC']) {
    await page.goto(`${core.url}/?zone=${zone}&range=90d`)
    await expect.poll(() => actors.innerText()).toContain('known since')
    const knownSince = /known since (\d+ \w{3} \d{4})/.exec(await actors.innerText())?.[1] as string
    const from = DateTime.fromFormat(knownSince, 'd LLL yyyy', { zone, locale: 'en-US' })
    const to = from.plus({ days: 2 })
    await page.goto(`${core.url}/?zone=${zone}&from=${from.toUTC()}&to=${to.toUTC()}`)
    await expect.poll(() => actors.locator('.tile-value').innerText()).toMatch(/^(–|[0-9])/)
    expect(await actors.locator('.tile-value').innerText(), zone).not.toBe('–')
    // And it is the earliest such day.
    expect(from.toMillis() - Date.parse(`${on(5)}T00:00:00Z`), zone).toBeLessThan(DAY_MS)
  }
})

test('a range without events is final in the table once the server says so, and not before', async () => {
  const states = () => rows().locator('td:last-child').allInnerTexts()
  await open('from=2020-01-01T00:00:00Z&to=2020-01-01T03:00:00Z&view=table')
  await expect.poll(states).toEqual(Array.from({ length: 12 }, () => 'final'))
  const tomorrow = Date.now() + DAY_MS
  const [from, to] = [tomorrow, tomorrow + DAY_MS / 24].map((time) => new Date(time).toISOString())
  await open(`from=${from}&to=${to}&view=table`)
  await expect.poll(async () => [...new Set(await states())]).toEqual(['not final yet'])
})

test('with more tenants than a list holds, each is found by a part of its name and opened by the keyboard', async () => {
  await fixture.database.pool.query(
    "INSERT INTO tenant (slug) SELECT 'shop-' || i FROM generate_series(1500, 1, -1) i",
  )
  await fixture.store('shop-12', [{ name: 'order' }])
  await open('tenant=default&range=24h&name=signup')
  await page.locator('.tenants button', { hasText: 'default' }).waitFor()
  await page.keyboard.press('c')
  const search = page.getByRole('combobox', { name: 'Search tenants' })
  const options = page.locator('.zone-list [role=option]')
  await page.getByText('There are more. Type to narrow the list.').waitFor()
  expect(await options.first().innerText()).toContain('default')
  await search.fill('shop_%')
  await page.getByText('No tenant matches.').waitFor()
  await search.press('Enter')
  await search.fill('SHOP-12')
  await expect.poll(async () => (await options.allInnerTexts()).length).toBe(80)
  expect((await options.allInnerTexts()).slice(0, 2).map((text) => text.trim())).toEqual([
    'shop-12',
    'shop-120',
  ])
  await search.press('ArrowDown')
  await search.press('Enter')
  await expect.poll(() => new URL(page.url()).searchParams.get('tenant')).toBe('shop-12')
  expect(new URL(page.url()).searchParams.get('name')).toBeNull()
  await expect.poll(() => page.locator('.feed').innerText()).toContain('order')

  await page.evaluate(`window.refused = false
    new MutationObserver(() => { refused ||= document.body.innerText.includes('You do not have access') })
      .observe(document.body, { childList: true, subtree: true })`)
  await page.keyboard.press('c')
  await search.fill('shop-777')
  // Before the response.
  await search.press('Enter')
  await page.locator('.tenants button', { hasText: 'shop-777' }).waitFor()
  await page.getByText('Waiting for the first event of shop-777').waitFor()
  expect(await page.evaluate('refused')).toBe(false)
  await open('tenant=shop-7777')
  await page.getByText('You do not have access to “shop-7777”.').waitFor()
})

test('popovers and the dialog open by a key, close with Escape, return the focus, and have no axe violations', async () => {
  const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8')
  const storageState = await page.context().storageState()
  for (const width of [390, 1440]) {
    // A context of its own: the Content-Security-Policy of the page allows no injected script.
    const viewport = { width, height: 900 }
    const context = await browser.newContext({ viewport, storageState, bypassCSP: true })
    const opened = await context.newPage()
    await opened.goto(`${core.url}/?zone=UTC`)
    await opened.locator('.feed-rows').waitFor()
    for (const [key, content, trigger] of [
      ['r', '.range-panel', '.range button'],
      ['z', '.zone-panel input', '.zone button'],
      ['c', '.zone-panel input', '.tenants button'],
      ['?', '.dialog', '.tenants button'],
    ] as const) {
      await opened.keyboard.press(key)
      await opened.locator(content).waitFor()
      await opened.evaluate(axe)
      expect(
        await opened.evaluate('axe.run().then((result) => result.violations.map(({ id }) => id))'),
        `${content} at ${width} px`,
      ).toEqual([])
      expect(await opened.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
        width,
      )
      await opened.keyboard.press('Escape')
      await opened.locator(content).waitFor({ state: 'detached' })
      await opened.locator(`${trigger}:focus`).waitFor()
    }
    await context.close()
  }
})

test('an unknown URL shows a not-found page with a link to the overview', async () => {
  await page.goto(`${core.url}/no/such/page?tenant=default`)
  await page.getByText('Page not found.').waitFor()
  expect(await page.title()).toBe('default · Page not found · Sluice')
  await page.getByRole('link', { name: 'Go to Overview' }).click()
  await tile('Unique actors').waitFor()
  expect(new URL(page.url()).pathname).toBe('/')
  await page.goBack()
  await page.getByText('Page not found.').waitFor()
})

test('the first page loads at most 150 kB of scripts, gzipped', async () => {
  const opened = await page.context().newPage()
  const scripts = new Set<string>()
  opened.on('response', (response) => {
    const { pathname } = new URL(response.url())
    if (pathname.startsWith('/assets/') && pathname.endsWith('.js')) scripts.add(pathname)
  })
  await opened.goto(`${core.url}/?range=24h`)
  await opened.locator('.trend canvas').waitFor()
  const bytes = [...scripts]
    .map((path) => gzipSync(readFileSync(`${DASHBOARD_FOLDER}${path}`), { level: 9 }).length)
    .reduce((sum, size) => sum + size, 0)
  await opened.close()
  expect(scripts.size).toBeGreaterThan(3)
  expect(bytes).toBeLessThan(150_000)
})

test('a page whose code cannot be loaded says so, and offers to reload', async () => {
  const opened = await page.context().newPage()
  await opened.route('**/assets/page-*.js', (route) => route.abort())
  await opened.goto(core.url)
  await opened.getByText('This page could not be shown.').waitFor()
  await opened.unroute('**/assets/page-*.js')
  await opened.getByRole('button', { name: 'Reload' }).click()
  await opened.locator('.tile', { hasText: 'Unique actors' }).waitFor()
  await opened.close()
})

test('another site cannot sign a user out, and the sign-out button does', async () => {
  await open('range=24h')
  const elsewhere = await page.context().newPage()
  // Another site, and another port of this one, which browsers count as the same site.
  for (const site of ['http://elsewhere.test/', `http://${new URL(core.url).hostname}:8081/`]) {
    const form = `<form method="post" action="${core.url}/logout"><button>Win</button></form>`
    await elsewhere.route(site, (route) => route.fulfill({ contentType: 'text/html', body: form }))
    await elsewhere.goto(site)
    await elsewhere.getByRole('button').click()
    await elsewhere.waitForURL(`${core.url}/**`)
    await page.reload()
    await tile('Unique actors').waitFor()
  }
  await page.keyboard.press('u')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out.').waitFor()
})
