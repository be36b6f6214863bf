import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bundle } from '../../edge/testing/runtimes.ts'
import { launchBrowser, signIn } from '../lib/browser.ts'
import { createTestHome, sendEvent, type TestHome, type TestSluice } from '../lib/sluice.ts'

/** What a stranger does after `npm start`, in a real browser. */
let home: TestHome
let sluice: TestSluice
let browser: Browser
let page: Page
const consoleErrors: string[] = []

beforeAll(async () => {
  home = createTestHome({ SLUICE_EDGE: 'workerd' })
  ;[sluice, browser] = await Promise.all([home.start('--no-demo'), launchBrowser()])
  page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
  page.on('pageerror', (error) => consoleErrors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') consoleErrors.push(message.text())
  })
})
afterAll(async () => {
  await browser?.close()
  await home.remove()
})

test('the sign-in link opens an empty page that shows how to send the first event', async () => {
  await signIn(page, sluice.run.login_url)
  await page.getByText('No events yet').waitFor()
  const text = await page.locator('body').innerText()
  expect(text).toContain(sluice.run.edge_url)
  expect(text).toContain(sluice.run.write_key)
})

test('the curl command shown there works, and the page shows the event without a reload', async () => {
  const answer = await sendEvent(sluice.run, {
    event: 'page_view',
    user_id: 'u123',
    page: '/pricing',
  })
  expect(answer.status).toBe(202)
  await page.getByText('Your first event is here').waitFor({ timeout: 10_000 })
  await page.locator('.feed-row').first().waitFor({ timeout: 10_000 })
  await page.goto(`${sluice.run.dashboard_url}?view=table`)
  await expect
    .poll(
      async () => (await page.locator('.table-scroll tbody').innerText()).match(/\b1\b/) !== null,
    )
    .toBe(true)
})

test('a later event updates the chart without a reload', async () => {
  const total = async () =>
    (await page.locator('body').innerText()).match(/peak (\d+) this hour/)?.[1]
  await expect.poll(total).toBe('1')
  for (let i = 0; i < 4; i++) await sendEvent(sluice.run, { event: 'signup', user_id: `u${i}` })
  await expect.poll(total, { timeout: 10_000 }).toMatch(/^[45]$/)
})

test('the payload of an event opens in the feed', async () => {
  await sendEvent(sluice.run, {
    event: 'order',
    user_id: 'u9',
    cart: { items: 3, note: 'gift-wrapped' },
  })
  const row = page.locator('.feed-row').first()
  await expect.poll(() => row.innerText()).toContain('order')
  await row.getByRole('button').first().click()
  await page.getByText('gift-wrapped').last().waitFor()
})

test('range and zone are in the URL, and a reload keeps them', async () => {
  await page.goto(`${sluice.run.dashboard_url}?range=24h&zone=Asia%2FKathmandu&view=table`)
  await page.locator('.table-scroll tbody tr').first().waitFor()
  const before = await page.locator('.table-scroll').innerText()
  await page.reload()
  await page.locator('.table-scroll tbody tr').first().waitFor()
  expect(new URL(page.url()).searchParams.get('zone')).toBe('Asia/Kathmandu')
  expect((await page.locator('.table-scroll').innerText()).split('\n').length).toBe(
    before.split('\n').length,
  )
})

test('nothing scrolls sideways at 390 px or 1440 px, light or dark, and axe finds nothing', async () => {
  const axe = readFileSync(
    new URL('../../node_modules/axe-core/axe.min.js', import.meta.url),
    'utf8',
  )
  for (const width of [390, 1440])
    for (const colorScheme of ['light', 'dark'] as const) {
      // Its own context: the page's own rules allow no script that is injected.
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        colorScheme,
        bypassCSP: true,
        storageState: await page.context().storageState(),
      })
      const shown = await context.newPage()
      await shown.goto(sluice.run.dashboard_url)
      await shown.locator('.feed-row').first().waitFor()
      expect(await shown.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
        width,
      )
      await shown.evaluate(axe)
      const found = (await shown.evaluate(
        'axe.run().then((r) => r.violations.map((v) => v.id))',
      )) as string[]
      expect(found).toEqual([])
      await context.close()
    }
})

test('the test vectors of the contract give the same bytes in the browser', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
  await bundle(folder, 'contract/testing/run-vectors.ts', true)
  const code = await readFile(join(folder, 'edge.js'), 'utf8')
  await rm(folder, { recursive: true, force: true })
  const context = await browser.newContext({ bypassCSP: true })
  const empty = await context.newPage()
  // Loopback counts as a secure origin, which the Web Crypto API wants.
  await empty.goto(`${sluice.run.core_url}/livez`)
  // As text: the test runner would rewrite the import.
  const failures = await empty.evaluate(`
    import(URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: 'text/javascript' })))
      .then((contract) => contract.runVectors())`)
  expect(failures).toEqual([])
  await context.close()
})

test('while core hangs the page says so and keeps its data; it recovers afterwards', async () => {
  await page.goto(sluice.run.dashboard_url)
  await page.locator('.feed-row').first().waitFor()
  process.kill(sluice.run.core_pid, 'SIGSTOP')
  await expect
    .poll(() => page.locator('header.top').innerText(), { timeout: 20_000 })
    .not.toMatch(/live ·/)
  expect(await page.locator('.feed-row').count()).toBeGreaterThan(0)
  process.kill(sluice.run.core_pid, 'SIGCONT')
  await expect
    .poll(() => page.locator('header.top').innerText(), { timeout: 30_000 })
    .toMatch(/live ·/)
  consoleErrors.length = 0
})

test('signing out ends the session, and the page says how to sign in', async () => {
  await page.keyboard.press('u')
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out.').waitFor()
  const answer = await page.request.post(sluice.run.graphql_url, {
    data: { query: '{ viewer { kind } }' },
  })
  expect(answer.status()).toBe(401)
})

test('the browser console has no errors', () => {
  expect(consoleErrors.filter((text) => !/401/.test(text))).toEqual([])
})
