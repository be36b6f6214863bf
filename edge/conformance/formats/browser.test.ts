import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { KeyRecord } from '../../../contract/api-key.ts'
import type { StampedEvent } from '../../../contract/log/record.ts'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { describeEdgesForBrowsers, type EdgeHarness } from '../../testing/edge-harness.ts'
import { type Pages, startPages } from '../../testing/pages.ts'

/** Pages on another origin, in a real Chromium. */
let browser: Browser
let pages: Pages
const open: BrowserContext[] = []

beforeAll(async () => {
  ;[browser, pages] = await Promise.all([launchBrowser(), startPages()])
})
afterEach(async () => {
  await Promise.all(open.splice(0).map((context) => context.close()))
})
afterAll(async () => {
  await browser?.close()
  await pages?.close()
})

const STUB = 'window.sluice ||= (...call) => (sluice.q ||= []).push(call)'

describeEdgesForBrowsers('sluice.js', (harness) => {
  it('sends the events of a page and a page view once each, under a strict Content-Security-Policy', async () => {
    const site = visitor(harness)
    const { origin } = new URL(harness.edge.url)
    const html = `<script nonce="n">${STUB}; sluice('signup', { plan: 'team', value: 12.5 })</script>`
    const policy = `default-src 'none'; img-src data:; script-src 'nonce-n' ${origin}; connect-src ${origin}`
    const page = await site.visit(html + site.script(), {
      'content-security-policy': policy,
      'cross-origin-embedder-policy': 'require-corp',
    })
    await page.evaluate(`sluice('scrolled', { deep: { to: [1, 'ä'] } })`)
    const [signup, view, scrolled] = await site.events(3)
    expect(signup).toEqual({
      event_id: expect.stringMatching(UUID7),
      name: 'signup',
      occurred_at: expect.stringMatching(/^20/),
      actor: expect.stringMatching(UUID7),
      session: expect.stringMatching(UUID7),
      value: 12.5,
      context: { page: page.url() },
      properties: { plan: 'team', value: 12.5 },
    })
    const { actor, session } = signup as StampedEvent['event']
    expect(view).toMatchObject({ name: 'page_view', actor, session })
    const path = new URL(page.url()).pathname
    expect(view?.properties).toEqual({ page: path, title: 'A page', referrer: '' })
    expect(scrolled?.properties).toEqual({ deep: { to: [1, 'ä'] } })
    expect(site.consoleMessages).toEqual([])
  })

  it('sends twenty events in one request without a preflight', async () => {
    const site = visitor(harness)
    const page = await site.visit(site.script('data-auto="false"'))
    const preflights = await countPreflights(page)
    const before = harness.gateway.requestCounts.produce
    await page.evaluate(`for (let i = 0; i < 20; i++) sluice('n', { i })`)
    const events = await site.events(20)
    expect(events.map(({ properties }) => properties.i)).toEqual([...Array(20).keys()])
    expect(harness.gateway.requestCounts.produce - before).toBe(1)
    expect(preflights()).toBe(0)
  })

  it('keeps the anonymous id, then the identified user, on the next page and in another tab', async () => {
    const site = visitor(harness)
    const first = await site.visit(site.script())
    await first.evaluate(`sluice.identify('u123'); sluice.identify('u123')`)
    await site.events(2)
    const other = await site.visit(site.script())
    await site.events(3)
    await other.evaluate(`sluice.identify(null); sluice('out')`)
    const [view, identify, next, out] = await site.events(4)
    expect(identify).toMatchObject({
      name: 'identify',
      actor: 'u123',
      properties: { anonymous_id: view?.actor },
    })
    expect(next).toMatchObject({ name: 'page_view', actor: 'u123', session: view?.session })
    expect(out?.actor).toMatch(UUID7)
    expect(out?.actor).not.toBe(view?.actor)
  })

  it('sends one page view for each page of a single-page application', async () => {
    const site = visitor(harness)
    const page = await site.visit(site.script())
    await page.evaluate(`history.pushState({}, '', '/two?utm_source=mail&token=secret')`)
    await expect.poll(() => page.evaluate('location.pathname')).toBe('/two')
    await site.events(2)
    await page.evaluate(`location.hash = 'part'; history.pushState({}, '', location.href)`)
    await page.evaluate(`history.go(-3)`)
    const events = await site.events(3)
    const path = new URL(page.url()).pathname
    expect(events.map(({ properties }) => properties.page)).toEqual([path, '/two', path])
    expect(events[1]?.properties).toMatchObject({ utm_source: 'mail' })
    expect(JSON.stringify(events)).not.toContain('secret')
  })

  it('retries with the same ids, not before Retry-After', async () => {
    const site = visitor(harness)
    const page = await site.visit(site.script('data-auto="false"'))
    const tries: { status: number; at: number; sent: string[] }[] = []
    page.on('response', (response) => {
      const { events } = JSON.parse(response.request().postData() ?? '{}')
      const sent = events.map(({ event_id }: { event_id: string }) => event_id)
      tries.push({ status: response.status(), at: performance.now(), sent })
    })
    // The edge does not retry a 400, so the script has to.
    harness.gateway.produceFaults.push({ status: 400 })
    await page.evaluate(`sluice('a'); sluice('b')`)
    const events = await site.events(2)
    await expect.poll(() => tries.map(({ status }) => status)).toEqual([503, 202])
    expect(tries[0]?.sent).toEqual(tries[1]?.sent)
    expect(tries[0]?.sent).toEqual(events.map(({ event_id }) => event_id))
    expect((tries[1]?.at ?? 0) - (tries[0]?.at ?? 0)).toBeGreaterThan(2_000)
  })

  it('sends events from an offline period when the network is back', async () => {
    const site = visitor(harness)
    const page = await site.visit(site.script('data-auto="false"'))
    await site.offline(true)
    const failed = page.waitForEvent('requestfailed')
    await page.evaluate(`sluice('a')`)
    await failed
    await page.evaluate(`sluice('b')`)
    await site.offline(false)
    const events = await site.events(2)
    expect(events.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  it('keeps unsent events for the next page, with their ids and times', async () => {
    const site = visitor(harness)
    const page = await site.visit(site.script('data-auto="false"'))
    await site.offline(true)
    const failed = page.waitForEvent('requestfailed')
    await page.evaluate(`sluice('lost?')`)
    await failed
    const key = site.key
    const [stored] = JSON.parse((await page.evaluate(`localStorage['${key}.q']`)) as string)
    await page.close()
    await site.offline(false)
    const next = await site.visit(site.script('data-auto="false"'))
    const [event] = await site.events(1)
    expect(event?.event_id).toBe(JSON.parse(stored).event_id)
    expect(event?.occurred_at).toBe(JSON.parse(stored).timestamp)
    await expect.poll(() => next.evaluate(`localStorage['${key}.q']`)).toBe('[]')
  })

  it.each([
    ['is closed', (page: Page) => page.close({ runBeforeUnload: true })],
    ['goes elsewhere', (page: Page) => page.goto('about:blank')],
  ])('sends its pending events when the page %s', async (_, leave) => {
    const site = visitor(harness)
    const page = await site.visit(site.script())
    await page.evaluate(`sluice('last words', { text: 'ä'.repeat(9000) })`)
    await leave(page)
    const events = await site.events(2, 900)
    expect(events.map(({ name }) => name)).toEqual(['page_view', 'last words'])
  })

  it('uses sendBeacon where fetch has no keepalive', async () => {
    const site = visitor(harness)
    const context = await site.context
    // As Firefox before 133; without fetch, nothing but a beacon can send.
    await context.addInitScript('delete Request.prototype.keepalive; fetch = undefined')
    const page = await site.visit(site.script())
    await page.goto('about:blank')
    await site.events(1, 900)
  })

  it('works without storage where the browser forbids it', async () => {
    const site = visitor(harness)
    // A sandboxed page has an opaque origin without storage.
    const page = await site.visit(site.script(), {
      'content-security-policy': 'sandbox allow-scripts',
    })
    await expect(page.evaluate('localStorage')).rejects.toThrow(/SecurityError|sandboxed/)
    await page.evaluate(`sluice('a')`)
    const [view, a] = await site.events(2)
    expect([view?.actor, view?.session]).toEqual([a?.actor, a?.session])
  })

  it('never throws into the page, logs invalid events to the console and sends the others', async () => {
    const site = visitor(harness)
    // Templates sometimes include the script twice.
    const script = site.script('data-auto="false"')
    const page = await site.visit(script + script)
    await page.evaluate(`
      const round = {}; round.round = round
      sluice('round', round); sluice('big', { n: 1n }); sluice(); sluice(''); sluice(7, 8)
      sluice('good'); sluice.identify(); sluice.identify(round)`)
    await page.evaluate(`sluice('well')`)
    const events = await site.events(2)
    expect(events.map(({ name }) => name)).toEqual(['good', 'well'])
    expect(site.errors).toEqual([])
    await expect.poll(() => site.consoleMessages.join()).toMatch(/circular.*BigInt.*NAME_INVALID/is)
  })

  it('logs a rejected origin to the console and does not retry', async () => {
    const site = visitor(harness, { origins: ['https://shop.example'] })
    const page = await site.visit(site.script())
    let requests = 0
    page.on('request', (request) => {
      if (request.url().includes('/v1/events')) requests++
    })
    await page.evaluate(`sluice('a'); sluice('b')`)
    const consoleMessages = () => site.consoleMessages.join()
    await expect.poll(consoleMessages, { timeout: 25_000 }).toContain('ORIGIN_NOT_ALLOWED')
    await expect.poll(() => page.evaluate(`localStorage['${site.key}.q']`)).toBe('[]')
    // Leaving the page would send any pending event.
    await page.goto('about:blank')
    expect([requests, site.arrived()]).toEqual([1, []])
  })

  it('sends from every subdomain of a wildcard origin', async () => {
    const site = visitor(harness, { origins: [`http://*.shop.localhost:${pages.port}`] })
    const host = 'de.shop.localhost'
    const page = await site.visit(site.script(), {}, host)
    await site.events(1)
    expect(new URL(page.url()).hostname).toBe(host)
    expect(site.consoleMessages).toEqual([])
  })
})

describeEdgesForBrowsers('a page on another origin', (harness) => {
  it('can send a beacon with a public key in the URL', async () => {
    const site = visitor(harness)
    const page = await site.visit('')
    const address = `${harness.edge.url}/v1/events?key=${site.key}`
    const sent = page.waitForRequest((request) => request.resourceType() === 'ping')
    await page.evaluate(
      `navigator.sendBeacon('${address}', JSON.stringify({ event: 'bye', event_id: 'b-1' }))`,
    )
    const request = await sent
    expect(request.headers()['content-type']).toBe('text/plain;charset=UTF-8')
    expect(await site.events(1)).toMatchObject([{ name: 'bye', event_id: 'b-1' }])
  })

  it('cannot use a secret key in the URL, and no key reaches the log of the edge', async () => {
    const site = visitor(harness)
    const secret = harness.newKey()
    const page = await site.visit('')
    const read = (key: string) =>
      page.evaluate(
        `fetch('${harness.edge.url}/v1/events?key=${key}', { method: 'POST', body: '{"event":"hidden"}' }).then((response) => response.json()).then(({ code }) => code)`,
      )
    expect(await read(secret)).toBe('KEY_UNKNOWN')
    harness.gateway.produceFaults.push({ status: 400 })
    expect(await read(site.key)).toBe('LOG_UNAVAILABLE')
    await expect.poll(() => harness.edge.log()).toContain('did not confirm')
    expect(harness.edge.log()).not.toMatch(/slc_|key=|hidden/)
    expect(site.arrived()).toEqual([])
  })

  it('can read why it was rejected, and sends one preflight for each path', async () => {
    const site = visitor(harness, { key_events_per_minute: 2 })
    const page = await site.visit('')
    const preflights = await countPreflights(page)
    const post = (path: string, key: string, body: string) =>
      page.evaluate(
        `fetch('${harness.edge.url}${path}', {
          method: 'POST',
          body: '${body}',
          headers: { authorization: 'Bearer ${key}', 'content-type': 'application/json', 'x-sdk': '1' },
        }).then(async (response) => [response.status, (await response.json()).code, response.headers.get('retry-after') !== null])`,
      )
    const event = '{"event":"a"}'
    expect(await post('/v1/events', site.key, event)).toEqual([202, undefined, false])
    expect(await post('/v1/events', 'slc_pub_x', event)).toEqual([401, 'KEY_UNKNOWN', false])
    expect(await post('/v1/events', site.key, '{')).toEqual([400, 'INVALID_JSON', false])
    await post('/v1/events', site.key, event)
    expect(await post('/v1/events', site.key, event)).toEqual([429, 'RATE_LIMITED', true])
    expect(preflights()).toBe(1)
    expect(await post('/v1/evnts', site.key, event)).toEqual([404, 'NOT_FOUND', false])
    expect(preflights()).toBe(2)
  })

  it('can count visitors without scripts by a pixel, which is shown even for an invalid key', async () => {
    const site = visitor(harness)
    const address = `${harness.edge.url}/v1/pixel.gif?name=page_view`
    const html = `<noscript><img src="${address}&key=${site.key}"></noscript>`
    await site.visit(html, {}, undefined, { javaScriptEnabled: false })
    expect(await site.events(1)).toMatchObject([{ name: 'page_view', properties: {} }])
    const page = await visitor(harness).visit(`<img src="${address}&key=slc_pub_x">`, {
      'cross-origin-embedder-policy': 'require-corp',
    })
    expect(await page.evaluate('document.images[0].naturalWidth')).toBe(1)
  })
})

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/

/** A visitor with their own browser context, on a site with its own key. */
function visitor(harness: EdgeHarness, record: Partial<KeyRecord> = {}) {
  const { key, record: keyRecord } = harness.gateway.addKey({ kind: 'pub', ...record })
  const consoleMessages: string[] = []
  const errors: string[] = []
  let context: Promise<BrowserContext> | undefined
  const contextWith = async (options: { javaScriptEnabled?: boolean } = {}) => {
    context ??= browser.newContext(options)
    const opened = await context
    if (!open.includes(opened)) open.push(opened)
    return opened
  }
  const arrived = () =>
    harness.gateway.records
      .map(({ value }) => JSON.parse(value) as StampedEvent)
      .filter(({ tenant }) => tenant === keyRecord.tenant)
      .map(({ event }) => event)
  return {
    key,
    consoleMessages,
    errors,
    arrived,
    get context() {
      return contextWith()
    },
    script: (attributes = '') =>
      `<script async src="${harness.edge.url}/sluice.js" data-key="${key}" ${attributes}></script>`,
    async visit(
      html: string,
      headers: Record<string, string> = {},
      host = '127.0.0.1',
      options: { javaScriptEnabled?: boolean } = {},
    ): Promise<Page> {
      const page = await (await contextWith(options)).newPage()
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) consoleMessages.push(message.text())
      })
      await page.goto(pages.put(html, headers).replace('127.0.0.1', host))
      return page
    },
    offline: async (isOffline: boolean) => (await contextWith()).setOffline(isOffline),
    /** The events in order; fails when there are more than `count` or duplicates. */
    async events(count: number, timeout = 8_000) {
      await expect.poll(() => arrived().length, { timeout, interval: 20 }).toBe(count)
      const events = arrived()
      expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(count)
      return events
    },
  }
}

/** Counts the preflights of the page. */
async function countPreflights(page: Page): Promise<() => number> {
  const session = await page.context().newCDPSession(page)
  let count = 0
  session.on('Network.requestWillBeSent', ({ request }) => {
    if (request.method === 'OPTIONS') count++
  })
  await session.send('Network.enable')
  return () => count
}
