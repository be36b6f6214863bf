import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { describeEdgesForBrowsers, type EdgeHarness } from '../../testing/edge-harness.ts'
import { createSource } from '../../testing/source.ts'

const LIBRARY = readFileSync(
  createRequire(import.meta.url).resolve('@segment/analytics-next/dist/umd/index.js'),
)
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/

let browser: Browser
/** A customer's web site, on another origin than the edge. */
const site = createServer((request, response) => {
  const isLibrary = request.url === '/analytics.js'
  response.setHeader('Content-Type', isLibrary ? 'text/javascript' : 'text/html; charset=utf-8')
  response.end(
    isLibrary
      ? LIBRARY
      : '<!doctype html><title>A shop</title><script src="/analytics.js"></script>',
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

/** A page with Segment's published library. */
async function visit(path = '/') {
  const context = await browser.newContext()
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.goto(`${origin}${path}`)
  return { page, errors }
}

/** @param calls in the page, with the loaded library as `analytics` */
function run(
  page: Page,
  harness: EdgeHarness,
  writeKey: string,
  calls: string,
  segment: unknown = {},
) {
  const settings = JSON.stringify({ writeKey, cdnURL: harness.edge.url })
  const options = JSON.stringify({ integrations: { 'Segment.io': segment } })
  return page.evaluate(`(async () => {
    const analytics = AnalyticsNext.AnalyticsBrowser.load(${settings}, ${options})
    ${calls}
  })()`)
}

describeEdgesForBrowsers('@segment/analytics-next in a browser', (harness) => {
  it('delivers every kind of call once, with id, name, actor, time and properties, by setting the host only', async () => {
    const { key, records, events } = createSource(harness, { kind: 'pub', origins: [origin] })
    const { page, errors } = await visit('/pricing?utm_source=news')
    const start = Date.now()
    const sent = await run(
      page,
      harness,
      key,
      `
      const context = await analytics.track('Button Clicked', { label: 'Buy' })
      const calls = [
        context,
        await analytics.page('Docs', 'Pricing', { dark: true }),
        await analytics.screen('Home', { depth: 1 }),
        await analytics.alias('u0'),
        await analytics.identify('u1', { email: 'ada@example.com' }),
        await analytics.group('g1', { plan: 'pro' }),
        await analytics.track('Signed Up', { value: 3 }),
      ]
      return {
        ids: calls.map(({ event }) => event.messageId),
        anonymousId: (await analytics.user()).anonymousId(),
      }`,
    )
    const { ids, anonymousId } = sent as { ids: string[]; anonymousId: string }
    await expect.poll(() => events().length).toBe(7)
    expect(events().map(({ event_id }) => event_id)).toEqual(ids)
    expect(anonymousId).toMatch(UUID)
    expect(events().map(({ name, actor }) => [name, actor])).toEqual([
      ['Button Clicked', anonymousId],
      ['page', anonymousId],
      ['screen', anonymousId],
      ['alias', 'u0'],
      ['identify', 'u1'],
      ['group', 'u1'],
      ['Signed Up', 'u1'],
    ])
    const properties = events().map((event) => event.properties)
    expect(properties[0]).toEqual({ label: 'Buy' })
    expect(properties[1]).toMatchObject({
      name: 'Pricing',
      category: 'Docs',
      dark: true,
      path: '/pricing',
      title: 'A shop',
    })
    expect(properties[2]).toMatchObject({ name: 'Home', depth: 1 })
    expect(properties.slice(3)).toEqual([
      { previous_id: anonymousId },
      { email: 'ada@example.com' },
      { plan: 'pro', group_id: 'g1' },
      { value: 3 },
    ])
    for (const { route, client, event } of records()) {
      expect(route).toBe('segment')
      expect(client).toMatch(/^analytics\.js\/next-\d/)
      expect(event.context).toMatchObject({
        anonymous_id: anonymousId,
        campaign: { source: 'news' },
        page: { url: `${origin}/pricing?utm_source=news` },
      })
      const at = Date.parse(event.occurred_at)
      expect(at).toBeGreaterThanOrEqual(start - 1)
      expect(at).toBeLessThanOrEqual(Date.now())
    }
    expect(JSON.stringify(records())).not.toContain(key)
    expect(errors).toEqual([])
  })

  it('retries events that the log did not confirm with the same id, and they arrive once', async () => {
    const { key, events } = createSource(harness, { kind: 'pub' })
    const { page } = await visit()
    const responses: [number, string | undefined][] = []
    page.on('response', (response) => {
      const request = response.request()
      if (request.method() === 'POST')
        responses.push([response.status(), request.headers()['x-retry-count']])
    })
    harness.gateway.produceFaults.push({ status: 400 })
    const id = await run(
      page,
      harness,
      key,
      `return (await analytics.track('again')).event.messageId`,
    )
    await expect.poll(() => responses.length, { timeout: 30_000 }).toBe(2)
    expect(responses).toEqual([
      [503, undefined],
      [200, '1'],
    ])
    expect(events().map(({ event_id }) => event_id)).toEqual([id])
  })

  it('waits for Retry-After after a 429, and each event arrives once', async () => {
    const { key, events } = createSource(harness, { kind: 'pub', key_events_per_minute: 60 })
    const { page } = await visit()
    await run(
      page,
      harness,
      key,
      `await Promise.all(Array.from({ length: 61 }, (_, i) => analytics.track('many', { i })))`,
    )
    await expect.poll(() => events().length, { timeout: 30_000 }).toBe(61)
    expect(new Set(events().map(({ properties }) => properties.i)).size).toBe(61)
  })

  it('can send its events in batches', async () => {
    const { key, events } = createSource(harness, { kind: 'pub' })
    const { page, errors } = await visit()
    const requests: string[] = []
    page.on('request', (request) => {
      if (request.method() === 'POST') requests.push(new URL(request.url()).pathname)
    })
    await run(
      page,
      harness,
      key,
      `await Promise.all([1, 2, 3].map((i) => analytics.track('many', { i })))`,
      { deliveryStrategy: { strategy: 'batching', config: { size: 3 } } },
    )
    await expect.poll(() => events().map(({ properties }) => properties.i)).toEqual([1, 2, 3])
    expect(requests).toEqual(['/v1/b'])
    expect(errors).toEqual([])
  })

  it('logs to the console that a secret key must not be used in a page', async () => {
    const { key, records } = createSource(harness)
    const { page, errors } = await visit()
    // Its calls never resolve when loading fails.
    await run(page, harness, key, "analytics.track('a'); await analytics.catch(() => {})")
    await expect.poll(() => errors.join('\n')).toContain('Only a public key')
    expect(errors.join('\n')).not.toContain(key)
    expect(records()).toEqual([])
  })
})
