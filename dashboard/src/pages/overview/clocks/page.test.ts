import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { labelOf } from '../../../lib/testing/plain-time.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/** A browser whose clock is an hour fast: what is shown goes by the server's. */
const ZONE = 'America/New_York'
const MINUTE_MS = 60_000
const WAIT = { timeout: 15_000, interval: 100 }
const FAST_MS = 60 * MINUTE_MS

let dashboard: ServedDashboard
let page: Page
beforeAll(async () => {
  dashboard = await serveDashboard(['default'])
  const receivedAt = new Date(Date.now() - 5 * MINUTE_MS).toISOString()
  await dashboard.fixture.store('default', [{ name: 'aged', receivedAt, occurredAt: receivedAt }])
  page = await dashboard.openPage('Pacific/Auckland')
  await page.addInitScript(`{
    const now = Date.now.bind(Date)
    Date.now = () => now() + ${FAST_MS}
  }`)
}, 240_000)
afterAll(() => dashboard?.close())

const open = (search: string) =>
  page.goto(`${dashboard.url}/?tenant=default&zone=${ZONE}&${search}`)

test('the newest bucket is the one of the server’s clock', async () => {
  await open('range=24h&view=table')
  const newest = page.locator('.table-scroll tbody th').first()
  // As the quarter of an hour may end meanwhile.
  await vi.waitFor(async () => {
    const shown = await newest.innerText()
    const start = Math.floor(Date.now() / (15 * MINUTE_MS)) * 15 * MINUTE_MS
    expect(shown).toBe(labelOf({ start, end: start + 15 * MINUTE_MS }, 'QUARTER_HOUR', ZONE))
  }, WAIT)
})

test('the age of an event in the feed is its age on the server’s clock', async () => {
  await open('range=24h')
  const time = page.locator('.feed-row', { hasText: 'aged' }).locator('time')
  await expect.poll(() => time.getAttribute('title')).toMatch(/^Received \d\u00a0min ago, /)
})

test('a component that is down is named with the time since when, however many updates say so', async () => {
  await open('range=24h')
  // No worker runs here.
  const notice = page.locator('.notice.bad')
  const before = await notice.innerText()
  expect(before).toMatch(/^The worker is down since \d\d:\d\d:\d\d\. Events are still accepted/)
  for (const name of ['one', 'two', 'three']) {
    await dashboard.fixture.store('default', [{ name }])
    await page.locator('.feed-name', { hasText: name }).waitFor()
    await page.waitForTimeout(1_000)
  }
  expect(await notice.innerText()).toBe(before)
  // Another one fails later, and has a time of its own.
  const { log } = dashboard.fixture
  log.offsets = () => Promise.reject(new Error('the log is away'))
  const timeOf = (text: string) => /since (\d\d:\d\d:\d\d)/.exec(text)?.[1]
  await expect.poll(() => notice.innerText()).toMatch(/^The log is down since \d/)
  expect(timeOf(await notice.innerText())).not.toBe(timeOf(before))
})

test('with live updates off a range ends where it ended then, however often it is fetched', async () => {
  await open('range=24h')
  await page.locator('.tile-value').nth(1).waitFor()
  await page.keyboard.press('l')
  await page.locator('.badge', { hasText: 'live updates off' }).waitFor()
  const ends: string[] = []
  for (let i = 0; i < 3; i++) {
    const fetched = page.waitForRequest(
      (request) => request.postDataJSON()?.operationName === 'Totals',
    )
    // As if its tab were opened again: that fetches, a second after the last time at the earliest.
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    ends.push((await fetched).postDataJSON().variables.endTime)
  }
  expect(new Set(ends).size).toBe(1)
  await page.keyboard.press('l')
})
