import { randomUUID } from 'node:crypto'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLogCounter } from '../../../../core/proof/count-log.ts'
import { rawRecord } from '../../../../tests/lib/records.ts'
import { expectAccessible } from '../../lib/testing/looks.ts'
import { signInPerson } from '../../lib/testing/people.ts'
import { type ServedDashboard, serveDashboard } from '../../lib/testing/serve-dashboard.ts'

/** The pipeline in a real browser, with a worker and the independent count of the log. */
let dashboard: ServedDashboard
let page: Page
const stop = new AbortController()
let counting: Promise<void> | undefined
beforeAll(async () => {
  dashboard = await serveDashboard(['default', 'other'], { hasPipeline: true })
  const { database, log } = dashboard.fixture
  const logger = { info() {}, warn() {}, error() {} }
  counting = createLogCounter({ databaseUrl: database.url, log, logger, checkMs: 200 }).run(
    stop.signal,
  )
  page = await dashboard.openPage('Europe/Berlin')
}, 240_000)
afterAll(async () => {
  stop.abort()
  await counting
  await dashboard?.close()
})

const card = (name: string, shown = page) =>
  shown.locator('.component').filter({ has: shown.getByRole('heading', { name }) })
const text = async (name: string) => (await card(name).innerText()).replaceAll(/\s+/g, ' ')
const append = (events: object[]) =>
  dashboard.fixture.log.append(
    'events.raw',
    events.map((each) => rawRecord(each)),
  )

test('events are followed from the edge to queries, and what came in is what went out and what waits', async () => {
  await page.goto(`${dashboard.url}/pipeline`)
  await page.getByText('No events were received in the last hour').waitFor()
  const ids = Array.from({ length: 40 }, () => randomUUID())
  await append([
    ...ids.map((event_id) => ({ event_id, actor: 'a' })),
    { event_id: ids[0], actor: 'a' },
    { event_id: ids[1], actor: 'a', name: 'another' },
    { occurred_at: '2020-01-01T00:00:00Z' },
  ])
  await expect.poll(() => text('Worker')).toContain('43 in = 43 out + 0 waiting')
  expect(await text('Log')).toContain('43 in = 43 out + 0 waiting')
  expect(await text('Edge')).toContain('43 accepted')
  expect(await text('Postgres')).toContain('43 in = 40 stored + 2 duplicates + 1 dead letter')
  await page.locator('.notice.good', { hasText: '0 unaccounted' }).waitFor()
  await page.getByRole('button', { name: 'Table' }).press('Enter')
  const row = page.locator('.balance-table tbody tr').first()
  expect((await row.innerText()).trim()).toMatch(/\s43\s+40\s+2\s+1\s+0\s+0$/)
  expect(await page.locator('.pipeline-partitions tbody tr').count()).toBeGreaterThan(0)
})

test('a planted loss turns the worker red, and its ids are opened by keyboard', async () => {
  const lost = `order-${'x'.repeat(90)}`
  await append([{ event_id: lost, actor: 'a' }])
  await expect.poll(() => text('Worker')).toContain('44 in = 44 out')
  const pool = dashboard.fixture.database.pool
  await pool.query('DELETE FROM event WHERE client_event_id = $1', [lost])
  await pool.query(
    'UPDATE outcome_minute SET stored = stored - 1 WHERE minute = (SELECT max(minute) FROM outcome_minute)',
  )
  await page.reload()
  await page.locator('.component[data-component="WORKER"][data-tone="bad"]').waitFor()
  expect(await text('Worker')).toContain('44 in = 43 out + 0 waiting + 1 unaccounted')
  await card('Worker').getByRole('button', { name: 'Show 1 unaccounted' }).press('Enter')
  await page.locator('.unaccounted-ids code', { hasText: lost }).waitFor()
  expect(await page.locator('.unaccounted-ids code').allInnerTexts()).toEqual([lost])
  // The URL opens the same.
  const link = page.url()
  expect(link).toContain('minute=')
  await page.goto(link)
  await page.locator('.unaccounted-ids code', { hasText: lost }).waitFor()
  await expectAccessible(page, 'wide and light')
  await page.setViewportSize({ width: 390, height: 900 })
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(link)
  await page.locator('.unaccounted-ids code', { hasText: lost }).waitFor()
  await expectAccessible(page, 'narrow and dark')
  // Its receipt has the reason, and the overview leads back.
  await page.locator('.unaccounted-ids a').press('Enter')
  await page.waitForURL(`**/search?*q=${lost}*`)
  await page.getByText('Not found').first().waitFor()
  await page.goto(dashboard.url)
  const fact = page.locator('.unaccounted-fact[data-tone="bad"]')
  await fact.getByRole('link', { name: '1 unaccounted' }).waitFor()
  await expectAccessible(page, 'overview')
  await fact.getByRole('link').press('Enter')
  await page.locator('.component[data-tone="bad"]').waitFor()
})

test("people of a tenant see their own events, and nothing of the system's offsets", async () => {
  const viewer = await signInPerson(dashboard.fixture, 'Emmy Noether', { other: 'VIEWER' })
  const shown = await dashboard.openPageOf(viewer.token, {
    viewport: { width: 390, height: 800 },
    colorScheme: 'light',
  })
  await shown.goto(`${dashboard.url}/pipeline`)
  await shown.getByText('No events were received in the last hour').waitFor()
  expect(await shown.locator('.pipeline-partitions, .component-difference').count()).toBe(0)
  expect(await card('Log', shown).innerText()).not.toContain('all tenants')
  await expectAccessible(shown, 'a viewer')
})
