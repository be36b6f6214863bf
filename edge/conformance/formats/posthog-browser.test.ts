import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { describeEdges, type EdgeHarness } from '../../testing/edge-harness.ts'

const LIBRARY = readFileSync(createRequire(import.meta.url).resolve('posthog-js/dist/module.js'))

let browser: Browser
/** Somebody's web site, on an origin of its own. */
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

/** PostHog's published library for pages, unchanged but for `api_host`. */
describeEdges('posthog-js', (harness) => {
  describe.each([
    ['as it comes', {}],
    ['without compression', { disable_compression: true }],
    ['over XMLHttpRequest', { api_transport: 'XHR' }],
  ])('%s', (_, settings) => {
    it('delivers what a visit brings about, each event once, a closed tab included', async () => {
      const visit = await open(harness, settings)
      const { page, arrived } = visit
      await page.evaluate(`
        document.body.innerHTML = '<button id="buy">Buy</button>'
        posthog.capture('bought', { price: 3.5, nested: { a: [1, 'ü'] } })
        posthog.identify('u1', { email: 'a@example.com' }, { first: true })
        posthog.group('company', 'acme', { size: 7 })
      `)
      // Only now does it listen to clicks.
      await page.waitForFunction(
        "posthog.get_property('$autocapture_disabled_server_side') === false",
      )
      await page.click('#buy')
      await expect.poll(() => arrived().length, { timeout: 10_000 }).toBe(5)
      await page.evaluate("posthog.capture('leaving')")
      await page.close({ runBeforeUnload: true })
      await expect.poll(() => arrived().length, { timeout: 10_000 }).toBe(7)

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
      // A page that is going away may be gone before it has told what it captured last.
      const known = events.filter(({ event_id }) => event_id in sent)
      expect(known.length).toBeGreaterThanOrEqual(6)
      for (const event of known) {
        const { uuid, timestamp, properties, $set, $set_once, ...rest } = sent[event.event_id] ?? {}
        const { token, distinct_id, ...kept } = properties as Record<string, unknown>
        expect(token).toBe(visit.key)
        expect(rest).toEqual({ event: event.name })
        expect(event).toEqual({
          event_id: uuid,
          name: event.name,
          occurred_at: timestamp,
          actor: distinct_id,
          session: kept.$session_id,
          properties: {
            ...kept,
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
      expect(visit.complaints).toEqual([])
    })
  })

  it('asks for nothing that is not there, and says who it is', async () => {
    const { page, arrived, requests, complaints, records } = await open(harness)
    await expect.poll(() => arrived().length, { timeout: 10_000 }).toBe(1)
    await page.evaluate("posthog.identify('u1')")
    await expect.poll(() => arrived().length, { timeout: 10_000 }).toBe(2)
    await expect.poll(() => requests.filter((url) => url.includes('/flags/'))).toHaveLength(1)
    const paths = requests.map((url) => new URL(url).pathname.replace(/slc_\w+/, ':token'))
    expect(new Set(paths)).toEqual(
      new Set(['/array/:token/config.js', '/flags/', '/e/', '/i/v0/e/']),
    )
    expect(complaints).toEqual([])
    expect(records().map(({ client }) => client)).toEqual([
      expect.stringMatching(/^posthog-js\/\d/),
      expect.stringMatching(/^posthog-js\/\d/),
    ])
    expect(harness.edge.log()).not.toContain('slc_')
  })

  it('sends again what the log did not confirm, and it arrives once', async () => {
    // The edge itself tries twice.
    harness.gateway.produceFaults.push({ status: 503 }, { status: 503 })
    const { arrived, requests } = await open(harness)
    await expect.poll(() => arrived().length, { timeout: 20_000 }).toBe(1)
    expect(requests.some((url) => url.includes('retry_count=1'))).toBe(true)
    expect(arrived()).toMatchObject([{ name: '$pageview' }])
  })

  it('sends again what came too fast, and it arrives once', async () => {
    // One in six seconds; the library gathers for three.
    const limits = { key_events_per_minute: 10 }
    const { page, arrived, requests, key } = await open(harness, {}, limits)
    await expect.poll(() => arrived().length, { timeout: 10_000 }).toBe(1)
    const filler = Array(9).fill({ event: 'filler' })
    expect((await harness.post(key, filler, { path: '/e/' })).status).toBe(200)
    await page.evaluate("posthog.capture('late')")
    await expect.poll(() => arrived().length, { timeout: 20_000 }).toBe(11)
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

/** A visitor's page with the library in it, started with a public key that is bound to the page's origin. */
async function open(harness: EdgeHarness, settings: object = {}, limits: object = {}) {
  const context: BrowserContext = await browser.newContext()
  onTestFinished(() => context.close())
  const page: Page = await context.newPage()
  const complaints: string[] = []
  const requests: string[] = []
  const captured: Captured[] = []
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('request', (request) => {
    if (request.url().startsWith(harness.edge.url)) requests.push(request.url())
  })
  page.on('requestfailed', (request) => {
    complaints.push(`${request.failure()?.errorText} ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`)
  })
  await context.exposeFunction('captured', (event: Captured) => captured.push(event))
  const from = harness.gateway.records.length
  const key = harness.newKey({ kind: 'pub', origins: [origin], ...limits })
  // A browser that is steered by a program is taken for a bot, unless one says otherwise.
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
  return { page, key, complaints, requests, captured, records, arrived }
}
