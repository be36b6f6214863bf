import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { launchBrowser } from '../../../tests/lib/browser.ts'
import { SNIPPETS } from '../../openapi/docs-page/snippets.ts'
import { OPERATIONS } from '../../openapi/operations.ts'
import { ROOT, type RunningEdge, startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

/** /docs in a real browser, served by the edge in workerd. */
let gateway: StubGateway
let edge: RunningEdge
let browser: Browser
beforeAll(async () => {
  gateway = await startStubGateway()
  ;[edge, browser] = await Promise.all([startEdge('workerd', gateway), launchBrowser()])
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await edge?.stop()
  await gateway?.close()
})

async function visit(more: Parameters<Browser['newContext']>[0] = {}) {
  const context = await browser.newContext(more)
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const errors: string[] = []
  const requestedUrls: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  page.on('request', (request) => requestedUrls.push(request.url()))
  await page.goto(`${edge.url}/docs`)
  return { page, errors, requestedUrls }
}

const typeKey = (page: Page, key: string) => page.getByLabel('API key').fill(key)
const newKey = () => gateway.addKey({ kind: 'pub', may_import_history: true }).key

describe('the page at /docs', () => {
  it('sends every example request and shows the documented status', async () => {
    const { page, errors, requestedUrls } = await visit()
    await typeKey(page, newKey())
    const before = gateway.records.length
    const cards = await page.locator('.try').all()
    const shown = OPERATIONS.filter(({ group }) => group !== 'service')
    expect(cards.length).toBe(shown.flatMap(({ examples }) => examples).length)
    for (const card of cards) {
      if ((await card.getAttribute('open')) === null) await card.locator('summary').first().click()
      await card.getByRole('button', { name: 'Send' }).click()
      const heading = await card.locator('.answer h4').innerText()
      const documentedStatus = await card.locator('.status').innerText()
      expect(heading, await card.locator('summary').first().innerText()).toContain(documentedStatus)
      expect(await card.locator('.answer dl').innerText()).toContain('x-request-id')
    }
    expect(gateway.records.length - before).toBeGreaterThan(cards.length - 8)
    // The browser logs the one example of an error response to the console.
    expect(errors.filter((text) => !/status of 422/.test(text))).toEqual([])
    expect(
      requestedUrls.filter((url) => !url.startsWith(edge.url) && !url.startsWith('data:')),
    ).toEqual([])
  }, 60_000)

  it('shows a working curl command with the key and body that were typed', async () => {
    const { page } = await visit()
    const key = newKey()
    await typeKey(page, key)
    const card = page.locator('.try').first()
    await card.getByText('Change the body').click()
    await card.getByRole('textbox').fill('{"event":"it\'s typed","user_id":"u9"}')
    const curl = await card.locator('.code code').first().innerText()
    const { stdout } = await promisify(execFile)('sh', ['-c', curl], { timeout: 10_000 })
    expect(JSON.parse(stdout)).toMatchObject({ accepted: 1, rejected: 0 })
    expect(JSON.parse(gateway.records.at(-1)?.value ?? '').event.name).toBe("it's typed")
    await card.getByRole('button', { name: 'Send' }).click()
    await card.locator('.answer').waitFor()
    await expect
      .poll(() => gateway.records.filter(({ value }) => value.includes("it's typed")).length)
      .toBe(2)
  })

  it('requires a key before sending, and keeps it for this tab only', async () => {
    const { page } = await visit()
    const card = page.locator('.try').first()
    await card.getByRole('button', { name: 'Send' }).click()
    await card.getByText('Put your API key in the field at the top first.').waitFor()
    expect(await page.getByLabel('API key').evaluate('document.activeElement.id')).toBe('key')
    const key = newKey()
    await typeKey(page, key)
    await page.reload()
    expect(await page.getByLabel('API key').inputValue()).toBe(key)
    expect(await page.evaluate('localStorage.length + document.cookie.length')).toBe(0)
    const other = await page.context().newPage()
    await other.goto(`${edge.url}/docs`)
    expect(await other.getByLabel('API key').inputValue()).toBe('')
  })

  it('explains that a secret key cannot be used in a URL', async () => {
    const { page } = await visit()
    await typeKey(page, gateway.addKey({ kind: 'sec' }).key)
    expect(await page.locator('[data-public] .note').first().textContent()).toContain(
      'Takes a public key',
    )
  })

  it('shows an error when the edge does not respond', async () => {
    const { page } = await visit()
    await typeKey(page, newKey())
    await page.route('**/v1/events', (route) => route.abort())
    const card = page.locator('.try').first()
    await card.getByRole('button', { name: 'Send' }).click()
    await card.getByText('No answer: is the edge still running?').waitFor()
  })

  it('does not scroll sideways at 390 px or 1280 px, and passes axe in both colour schemes', async () => {
    const axe = readFileSync(join(ROOT, 'node_modules/axe-core/axe.min.js'), 'utf8')
    for (const width of [390, 1280])
      for (const colorScheme of ['light', 'dark'] as const) {
        // The page's Content-Security-Policy blocks the injected axe script.
        const { page } = await visit({
          viewport: { width, height: 900 },
          colorScheme,
          bypassCSP: true,
        })
        await typeKey(page, newKey())
        const card = page.locator('.try').first()
        await card.getByRole('button', { name: 'Send' }).click()
        await card.locator('.answer').waitFor()
        await page.evaluate(
          "document.querySelectorAll('details').forEach((d) => { d.open = true })",
        )
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          width,
        )
        await page.evaluate(axe)
        const found = (await page.evaluate(
          'axe.run().then((r) => r.violations.map((v) => v.id + " " + v.nodes[0].html.slice(0, 120)))',
        )) as string[]
        expect(found).toEqual([])
      }
  }, 60_000)

  it('is usable with the keyboard alone', async () => {
    const { page } = await visit()
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe(
      'Skip to the ingest formats',
    )
    await page.keyboard.press('Tab')
    await page.keyboard.type(newKey())
    const button = page.locator('.try').first().getByRole('button', { name: 'Send' })
    await button.focus()
    await page.keyboard.press('Enter')
    await page.locator('.try').first().getByText('202 Accepted').waitFor()
    const closed = page.locator('.try:not([open]) > summary').first()
    await closed.focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => page.locator('.try[open]').count()).toBeGreaterThan(1)
  })
})

describe('the security of the page at /docs', () => {
  it('allows no external resources, only its own script, and no framing', async () => {
    const { headers, text } = await send(edge.port, { method: 'GET', path: '/docs' })
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; report-uri \/docs\/csp-report; report-to csp$/,
    )
    expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//)
    expect(text).not.toMatch(/slc_[a-z]{3}_[0-9A-Za-z]{36}/)
  })

  it('shows a configured key on the loopback host only, to no other origin or host name', async () => {
    const key = newKey()
    const given = await startEdge('workerd', gateway, { SLUICE_DOCS_KEY: key })
    onTestFinished(() => given.stop())
    const ask = (headers: Record<string, string>) =>
      send(given.port, { method: 'GET', path: '/docs', headers })
    const here = await ask({ host: `127.0.0.1:${given.port}` })
    expect(here.text).toContain(`value="${key}"`)
    expect(here.headers['access-control-allow-origin']).toBeUndefined()
    expect(here.headers['cache-control']).toBe('no-store')
    expect((await ask({ host: `localhost:${given.port}` })).text).toContain(key)
    // DNS rebinding: a foreign host name that resolves to this machine.
    expect((await ask({ host: `evil.example:${given.port}` })).text).not.toContain(key)
    expect((await ask({ host: '127.0.0.1.evil.example' })).text).not.toContain(key)
    expect((await send(given.port, { method: 'GET', path: '/openapi.json' })).text).not.toContain(
      key,
    )
  })
})

describe('the snippet for', () => {
  const all = Object.values(SNIPPETS).flat()
  it.each(all.filter(({ runs }) => runs !== 'page'))(
    '$title sends an event',
    async ({ runs, lines }) => {
      // Inside the project, so that the snippet finds the packages it imports.
      await mkdir(join(ROOT, 'node_modules/.cache'), { recursive: true })
      const folder = await mkdtemp(join(ROOT, 'node_modules/.cache/docs-'))
      onTestFinished(() => rm(folder, { recursive: true, force: true }))
      const before = gateway.records.length
      await writeFile(join(folder, 'events.ndjson'), '{"event":"a line"}\n')
      await writeFile(join(folder, 'lines.mjs'), fill(lines))
      const command = runs === 'shell' ? 'sh' : process.execPath
      await promisify(execFile)(command, ['lines.mjs'], { cwd: folder, timeout: 20_000 })
      expect(gateway.records.length).toBe(before + 1)
    },
  )

  const libraries: Record<string, { file: string; before: string }> = {
    AnalyticsBrowser: {
      file: '@segment/analytics-next/dist/umd/index.js',
      before: 'const { AnalyticsBrowser } = AnalyticsNext;',
    },
    posthog: { file: 'posthog-js/dist/array.full.js', before: '' },
  }
  it.each(all.filter(({ runs }) => runs === 'page'))(
    '$title sends an event from a page',
    async ({ lines }) => {
      // posthog-js sends nothing from a browser that looks automated.
      const context = await browser.newContext({
        userAgent: 'Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0',
      })
      await context.addInitScript(
        "Object.defineProperty(navigator, 'webdriver', { value: false });" +
          "Object.defineProperty(navigator, 'userAgentData', { value: undefined })",
      )
      onTestFinished(() => context.close())
      const page = await context.newPage()
      // A page of the same origin without a Content-Security-Policy.
      await page.route('**/a-page', (route) => {
        const isHtml = lines.startsWith('<')
        const body = isHtml ? fill(lines) : ''
        return route.fulfill({
          contentType: 'text/html',
          body: `<!doctype html><title>A page</title>${body}`,
        })
      })
      const before = gateway.records.length
      await page.goto(`${edge.url}/a-page`)
      if (!lines.startsWith('<')) {
        const library = Object.entries(libraries).find(([word]) => lines.includes(word))?.[1]
        const path = library && createRequire(import.meta.url).resolve(library.file)
        if (path) await page.addScriptTag({ path })
        await page.addScriptTag({ content: `${library?.before ?? ''}\n${fill(lines)}` })
      }
      await expect.poll(() => gateway.records.length, { timeout: 10_000 }).toBeGreaterThan(before)
    },
  )

  function fill(lines: string): string {
    return lines.replaceAll('$KEY', newKey()).replaceAll('$URL', edge.url)
  }
})
