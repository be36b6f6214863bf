import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Served, serveApp } from '../http/serve.ts'

let fixture: QueryFixture
let core: Served
let browser: Browser
beforeAll(async () => {
  ;[fixture, browser] = await Promise.all([createQueryFixture(), launchBrowser()])
  const { db, log, graphql } = fixture
  const app = createCoreApp({
    db,
    log,
    logger: { error() {} },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  core = await serveApp(app, { port: 0 })
  await fixture.store('default', [{ id: 'shown-in-the-page' }])
})
afterAll(async () => {
  await browser?.close()
  await core?.close(0)
  await fixture?.close()
})

test('/v1/docs sends a request with the key that was typed, stores it nowhere, and loads nothing from elsewhere', async () => {
  const { authorization = '' } = await fixture.keyOf('default')
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
  const errors: string[] = []
  const urls: string[] = []
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('request', (request) => urls.push(request.url()))
  await page.goto(`${core.url}/v1/docs`)

  await page.getByRole('button', { name: 'Authorize' }).first().click()
  const dialog = page.locator('.auth-container')
  await dialog.locator('input').fill(authorization.replace('Bearer ', ''))
  await dialog.getByRole('button', { name: 'Apply credentials' }).click()
  await dialog.getByRole('button', { name: 'Close' }).click()

  const operation = page.locator('#operations-Queries-get_v1_events')
  await operation.locator('button.opblock-summary-control').click()
  await operation.getByRole('button', { name: 'Execute' }).click()
  const response = operation.locator('.live-responses-table')
  await response.waitFor()
  expect(await response.innerText()).toContain('shown-in-the-page')
  expect(await response.locator('.response-col_status').nth(1).innerText()).toContain('200')

  expect(
    await page.evaluate('localStorage.length + sessionStorage.length + document.cookie.length'),
  ).toBe(0)
  await page.reload()
  await page.getByRole('button', { name: 'Authorize' }).first().click()
  expect(await page.locator('.auth-container input').inputValue()).toBe('')
  // The dashboard, which has the icon, is not built here.
  expect(errors.filter((text) => !text.includes('503'))).toEqual([])
  expect(urls.filter((url) => !url.startsWith(core.url) && !url.startsWith('data:'))).toEqual([])
  await page.close()
})

test('the files of the page are served compressed and kept by browsers, other files of the package not at all', async () => {
  const page = await (await fetch(`${core.url}/v1/docs`)).text()
  const path = /src="(\/v1\/docs\/[^"]+bundle\.js)"/.exec(page)?.[1] ?? ''
  const script = await fetch(core.url + path)
  expect([script.status, script.headers.get('content-encoding')]).toEqual([200, 'gzip'])
  expect(script.headers.get('cache-control')).toContain('immutable')
  const plain = await fetch(core.url + path, { headers: { 'accept-encoding': 'identity' } })
  expect(plain.headers.get('content-encoding')).toBeNull()
  expect(await plain.text()).toBe(await script.text())
  for (const other of ['index.html', 'package.json', '..%2fpackage.json'])
    expect((await fetch(core.url + path.replace('swagger-ui-bundle.js', other))).status).toBe(404)
})
