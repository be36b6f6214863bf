import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import {
  createQueryFixture,
  type QueryFixture,
} from '../../../../core/api/graphql/testing/fixture.ts'
import { createCoreApp } from '../../../../core/api/http/app.ts'
import { createMetrics } from '../../../../core/api/http/metrics.ts'
import { serveLate } from '../../../../core/api/http/sign-in/testing/serve-late.ts'
import { loginUrl, mintLoginLink } from '../../../../core/identity/login-links.ts'
import {
  DEFAULT_SIGN_IN,
  type SignInSettings,
} from '../../../../core/identity/sign-in/sign-in-settings.ts'
import { DASHBOARD_FOLDER } from '../../../../core/lib/paths.ts'
import {
  launchBrowser,
  saveCoverage,
  signIn,
  startCoverage,
} from '../../../../tests/lib/browser.ts'
import { buildAll } from '../../../../tools/build.ts'
import { RECORD_CANVAS } from './canvas.ts'
import { type Pipeline, runPipeline } from './run-pipeline.ts'

/** The dashboard as core serves it, in front of a Postgres with what a worker would have written. */
export interface ServedDashboard {
  url: string
  fixture: QueryFixture
  /** A page of a browser in that zone, signed in; what its charts draw is recorded. */
  openPage(timezoneId: string, options?: BrowserContextOptions): Promise<Page>
  /** The same for somebody who is no operator, and whose session has that token. */
  openPageOf(token: string, options?: BrowserContextOptions): Promise<Page>
  /** A page of a browser of its own that nobody is signed in to. */
  openSignedOut(options?: BrowserContextOptions): Promise<Page>
  /** What the server answers to a signed-in browser. */
  ask(query: string, variables?: object): Promise<Record<string, unknown>>
  close(): Promise<void>
}

export interface ServeOptions {
  /** Whether events can be sent, and are stored. */
  hasPipeline?: boolean
  /** How people sign in, with the URL at which core listens; by links alone unless given. */
  signInSettings?: (coreUrl: string) => Promise<Partial<SignInSettings>>
}

export async function serveDashboard(
  tenants: string[],
  { hasPipeline = false, signInSettings }: ServeOptions = {},
): Promise<ServedDashboard> {
  // Of several files that begin at once one may find the folder removed by another; the next try finds it built.
  await buildAll().catch(() => buildAll())
  let pipeline: Pipeline | undefined
  const edgeUrl = () => pipeline?.edgeUrl
  const [fixture, browser]: [QueryFixture, Browser] = await Promise.all([
    createQueryFixture(tenants, undefined, undefined, edgeUrl),
    launchBrowser(),
  ])
  if (hasPipeline) pipeline = await runPipeline(fixture)
  const { db, log, graphql } = fixture
  const { core, serve } = await serveLate()
  const signInOptions = { ...DEFAULT_SIGN_IN, ...(await signInSettings?.(core.url)) }
  const app = createCoreApp({
    db,
    log,
    logger: { error() {} },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: DASHBOARD_FOLDER, edgeUrl, signIn: signInOptions },
  })
  serve(app)
  const session = await fixture.session()
  const pages: Page[] = []
  const newPage = async (options: BrowserContextOptions): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 1000 },
      // Lines are where they belong at once.
      reducedMotion: 'reduce',
      ...options,
    })
    await context.addInitScript(RECORD_CANVAS)
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    pages.push(page)
    await startCoverage(page)
    keepCoverage(page)
    return page
  }
  return {
    url: core.url,
    fixture,
    async openPage(timezoneId, options = {}) {
      const page = await newPage({ timezoneId, ...options })
      await signIn(page, loginUrl(core.url, await mintLoginLink(db)))
      return page
    },
    async openPageOf(token, options = {}) {
      const page = await newPage({ timezoneId: 'Europe/Berlin', ...options })
      await page.context().addCookies([{ name: 'sluice_session', value: token, url: core.url }])
      return page
    },
    openSignedOut: (options = {}) => newPage({ timezoneId: 'Europe/Berlin', ...options }),
    async ask(query, variables = {}) {
      const { data, errors } = await fixture.execute(query, session, variables)
      if (errors) throw new Error(errors[0]?.message)
      return data
    },
    async close() {
      for (const page of pages) await saveCoverage(page)
      await browser.close()
      await pipeline?.close()
      await core.close(0)
      await fixture.close()
    },
  }
}

/** The browser forgets what ran on a page that it has left. */
function keepCoverage(page: Page): void {
  const goto = page.goto.bind(page)
  page.goto = async (...args) => {
    await saveCoverage(page)
    await startCoverage(page)
    return goto(...args)
  }
}
