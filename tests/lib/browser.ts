import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'

const SYSTEM_CHROMIUM = '/usr/bin/chromium'

/** What the bundled one does by default and no visitor's browser does: without the second it asks nobody's leave (CORS). */
const UNREAL = ['--single-process', '--disable-web-security', '--allow-running-insecure-content']

/** A real Chromium: the system's where there is one, else the one that npm brings along. */
export async function launchBrowser(): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--no-first-run',
  ]
  if (existsSync(SYSTEM_CHROMIUM)) return chromium.launch({ executablePath: SYSTEM_CHROMIUM, args })
  // It unpacks the libraries that it needs only where it believes to be on Lambda.
  process.env.AWS_EXECUTION_ENV ??= 'AWS_Lambda_nodejs22.x'
  const { default: bundled } = await import('@sparticuz/chromium')
  return chromium.launch({
    executablePath: await bundled.executablePath(),
    args: [...bundled.args.filter((arg) => !UNREAL.some((name) => arg.startsWith(name))), ...args],
    headless: true,
  })
}

/** Opens a sign-in link and presses its button, as a person does. */
export async function signIn(page: Page, link: string): Promise<void> {
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in to Sluice' }).click()
  await page.waitForURL((url) => url.pathname === '/')
}

const coverageFolder = process.env.SLUICE_COVERAGE_FOLDER

/** Only where .ci/run measures coverage. */
export async function startCoverage(page: Page): Promise<void> {
  if (coverageFolder) await page.coverage.startJSCoverage({ resetOnNavigation: false })
}

/** For .ci/coverage.cjs: which parts of the page's scripts ran since `startCoverage`. */
export async function saveCoverage(page: Page | undefined): Promise<void> {
  if (!coverageFolder || !page) return
  const scripts = await page.coverage.stopJSCoverage()
  mkdirSync(join(coverageFolder, 'browser'), { recursive: true })
  writeFileSync(join(coverageFolder, 'browser', `${randomUUID()}.json`), JSON.stringify(scripts))
}
