import { launchBrowser, signIn } from './lib/browser.ts'
import { execFileSync } from 'node:child_process'
const browser = await launchBrowser()
const link = JSON.parse(execFileSync('node', ['cli/bin.mjs', 'login', '--json'], { env: process.env }).toString()).login_url
const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
page.on('pageerror', (e) => console.log('ERR', e.message))
page.on('console', (m) => m.type() === 'error' && console.log('console', m.text()))
await signIn(page, link)
const base = new URL(link).origin
const F = '/explore?tenant=default&name=flight&from=2001-01-01T00:00:00Z&to=2001-04-01T00:00:00Z'
const shots: [string, string, number, 'light' | 'dark', string?][] = [
  ['group', F + '&group=origin', 1440, 'dark'],
  ['table', F + '&group=origin&view=table', 390, 'light'],
  ['changed', F, 390, 'light', 'What changed?'],
  ['changed', F, 1440, 'light', 'What changed?'],
  ['funnel', '/explore?tenant=demo&show=funnel&step=page_view&step=signup&step=order&last=30d', 390, 'dark'],
  ['retention', '/explore?tenant=demo&show=retention&last=30d', 390, 'light'],
  ['retention', '/explore?tenant=demo&show=retention&last=30d', 1440, 'dark'],
  ['api', F, 1440, 'light', 'Use as API'],
]
for (const [name, path, width, scheme, button] of shots) {
  await page.emulateMedia({ colorScheme: scheme })
  await page.setViewportSize({ width, height: 1000 })
  await page.goto(base + path)
  await page.waitForTimeout(2500)
  if (button) { await page.getByRole('button', { name: button }).click(); await page.waitForTimeout(2500) }
  console.log(name, width, await page.evaluate(() => document.documentElement.scrollWidth), page.url())
  await page.screenshot({ path: `/tmp/shots-${name}-${width}.png` })
}
await browser.close()
