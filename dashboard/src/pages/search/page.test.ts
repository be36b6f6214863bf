import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey } from '../../../../core/identity/api-keys.ts'
import { expectAccessible } from '../../lib/testing/looks.ts'
import { type ServedDashboard, serveDashboard } from '../../lib/testing/serve-dashboard.ts'

/** Search in real browsers, wide and light, narrow and dark; events come in by the edge and are stored by a worker. */
const HOSTILE = 'طلب-<img src=x onerror=alert(1)>'
let dashboard: ServedDashboard
let page: Page
let narrow: Page
let send: (events: object[], headers?: Record<string, string>) => Promise<void>
beforeAll(async () => {
  dashboard = await serveDashboard(['default'], { hasPipeline: true })
  const { key } = await createKey(dashboard.fixture.db, {
    ...{ tenant: 'default', name: HOSTILE, scopes: ['ingest'] },
  })
  const { viewer } = (await dashboard.ask('{ viewer { edgeUrl } }')) as {
    viewer: { edgeUrl: string }
  }
  send = async (events, headers = {}) => {
    const response = await fetch(`${viewer.edgeUrl}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: JSON.stringify({ events }),
    })
    expect(response.status, await response.text()).toBe(202)
  }
  await send([{ event_id: 'order-1', name: 'order' }])
  await send([{ event_id: 'order-1', name: 'order', value: 2 }], { 'x-request-id': 'second' })
  await send(
    [
      { event_id: 'order-2', name: 'order' },
      { event_id: 'order-3', name: 'order' },
    ],
    { 'idempotency-key': 'cart-7' },
  )
  page = await dashboard.openPage('Europe/Berlin')
  narrow = await dashboard.openPage('Asia/Kathmandu', {
    viewport: { width: 390, height: 800 },
    colorScheme: 'dark',
  })
}, 240_000)
afterAll(() => dashboard?.close())

const box = () => page.getByRole('textbox', { name: /^Event id/ })
const steps = async (of = page) =>
  (await of.locator('.receipt-step-head strong').allInnerTexts()).join(', ')

test('an id that is typed shows the receipt, by keyboard alone, and its address shows it again', async () => {
  await page.goto(`${dashboard.url}/search?zone=UTC`)
  await page.getByText('A receipt shows what became of an event').waitFor()
  await page.keyboard.press('/')
  await page.keyboard.type('order-1')
  await page.keyboard.press('Enter')
  await page.locator('.receipt-outcome', { hasText: 'Stored, and counted once' }).waitFor()
  expect(await steps()).toBe(
    'Accepted by the edge, In the log, Stored, Came again with other content',
  )
  const receipt = await page.locator('.receipt').innerText()
  expect(receipt).toContain(HOSTILE)
  expect(receipt).toContain('second')
  expect(await page.locator('.receipt img').count()).toBe(0)
  expect(new URL(page.url()).searchParams.get('q')).toBe('order-1')
  await expectAccessible(page, 'receipt')
  await narrow.goto(page.url())
  await narrow.locator('.receipt-outcome', { hasText: 'Stored' }).waitFor()
  await expectAccessible(narrow, 'receipt')
})

test('an Idempotency-Key shows the events of its request, each of which leads to its receipt', async () => {
  await page.goto(`${dashboard.url}/search`)
  await box().fill('cart-7')
  await page.getByRole('button', { name: 'Search' }).click()
  await page.getByRole('heading', { name: '2 events with this Idempotency-Key' }).waitFor()
  await page.locator('.feed-summary').first().click()
  await page.getByRole('link', { name: 'Receipt' }).click()
  await page.locator('.receipt-outcome', { hasText: 'Stored' }).waitFor()
  expect(await box().inputValue()).toMatch(/^order-[23]$/)
})

test('a pasted body leads to the receipts of its events, and stays out of the address', async () => {
  await page.goto(`${dashboard.url}/search`)
  const body = [{ event_id: 'order-2', name: 'a' }, { event_id: 'order-3' }, { name: 'secret' }]
  await box().fill(JSON.stringify(body, null, 2))
  await page.keyboard.press('Enter')
  await page.getByText('One event has no id of its own').waitFor()
  expect(page.url()).not.toContain('secret')
  await expectAccessible(page, 'ids of a body')
  await page.getByRole('link', { name: 'order-3' }).click()
  await page.locator('.receipt-outcome', { hasText: 'Stored' }).waitFor()
  await box().fill('{"event_id":"order-2","name":"order"}')
  await page.keyboard.press('Enter')
  await page.locator('.receipt-id', { hasText: 'order-2' }).waitFor()
  await box().fill('{"event_id":')
  await page.keyboard.press('Enter')
  await page.locator('[role="alert"]', { hasText: 'not the JSON of events' }).waitFor()
})

test('a dead letter and an id that never came show their reason', async () => {
  await send([{ event_id: 'late-1', name: 'order', occurred_at: '2099-01-01T00:00:00Z' }])
  await page.goto(`${dashboard.url}/search?q=late-1`)
  await page.locator('.receipt-outcome', { hasText: 'A dead letter' }).waitFor()
  expect(await page.locator('.receipt').innerText()).toContain('OCCURRED_AT_IN_FUTURE')
  await page.goto(`${dashboard.url}/search?q=${encodeURIComponent(HOSTILE)}`)
  await page.locator('.receipt-outcome', { hasText: 'Not found' }).waitFor()
  await page.getByText('No event of this tenant had this id since').waitFor()
  await expectAccessible(page, 'not found')
})
