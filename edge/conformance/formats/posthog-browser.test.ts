import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { describeEdgesForBrowsers, type EdgeHarness } from '../../testing/edge-harness.ts'

/** The library retries after 3 to 5 s by its own timers, on a page that a busy machine runs slowly. */
const RETRY_MS_MAX = 60_000
vi.setConfig({ testTimeout: 150_000 })
const LIBRARY = readFileSync(createRequire(import.meta.url).resolve('posthog-js/dist/module.js'))

let browser: Browser
/** A customer's web site, on another origin than the edge. */
const site = createServer((request, response) => {
  const isLibrary = request.url === '/posthog.js'
  response.setHeader('Content-Type', isLibrary ? 'text/javascript' : 'text/html; charset=utf-8')
  response.end(
    isLibrary ? LIBRARY : '<!doctype html><title>A shop</title><link rel="icon" href="data:,">',
  )
})
let origin: string

beforeAll(async () => {
  browser = await launchBrowser()
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
}, 60_000)
afterAll(async () => {
  await browser?.close()
  site.closeAllConnections()
  site.close()
})

/** PostHog's published library for pages, with `api_host` set. */
describeEdgesForBrowsers('posthog-js', (harness) => {
  describe.each([
    ['with default settings', {}],
    ['without compression', { disable_compression: true }],
    ['over XMLHttpRequest', { api_transport: 'XHR' }],
  ])('%s', (_, settings) => {
    it('delivers every event of a visit once, including those of a closed tab', async () => {
      const visit = await open(harness, settings)
      const { page, arrived } = visit
      await page.evaluate(`
        document.body.innerHTML = '<button id="buy">Buy</button>'
        posthog.capture('bought', { price: 3.5, nested: { a: [1, 'ü'] } })
        posthog.identify('u1', { email: 'a@example.com' }, { first: true })
        posthog.group('company', 'acme', { size: 7 })
      `)
      // From now on it captures clicks.
      await page.waitForFunction(
        "posthog.get_property('$autocapture_disabled_server_side') === false",
      )
      await page.click('#buy')
      await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(5)
      await page.evaluate("posthog.capture('leaving')")
      await page.close({ runBeforeUnload: true })
      await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(7)

      const events = arrived()
      expect(events.map(({ name }) => name).sort()).toEqual([
        '$autocapture',
        '$groupidentify',
        '$identify',
        '$pageleave',
        '$pageview',
        'bought',
        'leaving',
      ])
      const sent = Object.fromEntries(visit.captured.map((event) => [event.uuid, event]))
      // A closing page may be gone before it has reported what it captured last.
      const known = events.filter(({ event_id }) => event_id in sent)
      expect(known.length).toBeGreaterThanOrEqual(6)
      for (const event of known) {
        const { uuid, timestamp, properties, $set, $set_once, ...rest } = sent[event.event_id] ?? {}
        const { token, distinct_id, ...others } = properties as Record<string, unknown>
        expect(token).toBe(visit.key)
        expect(rest).toEqual({ event: event.name })
        expect(event).toEqual({
          event_id: uuid,
          name: event.name,
          occurred_at: timestamp,
          actor: distinct_id,
          session: others.$session_id,
          properties: {
            ...others,
            distinct_id,
            ...($set && { $set }),
            ...($set_once && { $set_once }),
          },
        })
      }
      expect(events.find(({ name }) => name === 'bought')).toMatchObject({
        actor: expect.not.stringMatching('u1'),
        properties: { price: 3.5, nested: { a: [1, 'ü'] } },
      })
      expect(events.find(({ name }) => name === '$identify')).toMatchObject({
        actor: 'u1',
        properties: { $set: { email: 'a@example.com' }, $set_once: { first: true } },
      })
      expect(visit.errors).toEqual([])
    })
  })

  it('requests only paths that the edge serves, and names its version', async () => {
    const { page, arrived, requests, errors, records } = await open(harness)
    await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(1)
    await page.evaluate("posthog.identify('u1')")
    await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(2)
    await expect.poll(() => requests.filter((url) => url.includes('/flags/'))).toHaveLength(1)
    const paths = requests.map((url) => new URL(url).pathname.replace(/slc_\w+/, ':token'))
    expect(new Set(paths)).toEqual(
      new Set(['/array/:token/config.js', '/flags/', '/e/', '/i/v0/e/']),
    )
    expect(errors).toEqual([])
    expect(records().map(({ client }) => client)).toEqual([
      expect.stringMatching(/^posthog-js\/\d/),
      expect.stringMatching(/^posthog-js\/\d/),
    ])
    expect(harness.edge.log()).not.toContain('slc_')
  })

  it('retries events that the log did not confirm, and they arrive once', async () => {
    // The edge itself makes two attempts.
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
    const { arrived, requests } = await open(harness)
    await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(1)
    expect(requests.some((url) => url.includes('retry_count=1'))).toBe(true)
    expect(arrived()).toMatchObject([{ name: '$pageview' }])
  })

  it('retries events beyond the rate limit, and they arrive once', async () => {
    // One event in six seconds; the library collects for three.
    const limits = { key_events_per_minute: 10 }
    const { page, arrived, requests, key } = await open(harness, {}, limits)
    await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(1)
    const filler = Array(9).fill({ event: 'filler' })
    expect((await harness.post(key, filler, { path: '/e/' })).status).toBe(200)
    await page.evaluate("posthog.capture('late')")
    await expect.poll(() => arrived().length, { timeout: RETRY_MS_MAX }).toBe(11)
    expect(requests.some((url) => url.includes('retry_count=1'))).toBe(true)
    expect(arrived().at(-1)).toMatchObject({ name: 'late' })
  })
})

interface Captured {
  uuid: string
  event: string
  timestamp: string
  properties: Record<string, unknown>
  $set?: object
  $set_once?: object
}

// biome-ignore lint/suspicious/noExplicitAny: records of every shape
type Any = any

/** A page with the library, started with a public key that allows the page's origin only. */
async function open(harness: EdgeHarness, settings: object = {}, limits: object = {}) {
  const context: BrowserContext = await browser.newContext()
  onTestFinished(() => context.close())
  const page: Page = await context.newPage()
  const errors: string[] = []
  const requests: string[] = []
  const captured: Captured[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => errors.push(message.text()))
  page.on('request', (request) => {
    if (request.url().startsWith(harness.edge.url)) requests.push(request.url())
  })
  page.on('requestfailed', (request) => {
    errors.push(`${request.failure()?.errorText} ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) errors.push(`${response.status()} ${response.url()}`)
  })
  await context.exposeFunction('captured', (event: Captured) => captured.push(event))
  const from = harness.gateway.records.length
  const key = harness.newKey({ kind: 'pub', origins: [origin], ...limits })
  // The library ignores automated browsers unless this filter is off.
  const all = { api_host: harness.edge.url, opt_out_useragent_filter: true, ...settings }
  await page.goto(origin)
  await page.evaluate(`(async () => {
    const { default: posthog } = await import('/posthog.js')
    window.posthog = posthog
    posthog.on('eventCaptured', (event) => captured(JSON.parse(JSON.stringify(event))))
    posthog.init('${key}', ${JSON.stringify(all)})
  })()`)
  const records = (): Any[] =>
    harness.gateway.records.slice(from).map(({ value }) => JSON.parse(value))
  const arrived = (): Any[] => records().map(({ event }) => event)
  return { page, key, errors, requests, captured, records, arrived }
}
