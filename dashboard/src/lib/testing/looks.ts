import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

const axe = readFileSync('node_modules/axe-core/axe.min.js', 'utf8')

/** Whether axe finds nothing on the page as it is, and nothing makes it scroll sideways. @param state for the message */
export async function expectAccessible(page: Page, state: string): Promise<void> {
  await page.evaluate(axe)
  const found = await page.evaluate(
    'axe.run().then((result) => result.violations.map(({ id, nodes }) => id + " " + nodes[0].html))',
  )
  const scrollWidth = await page.evaluate('document.documentElement.scrollWidth')
  expect([state, found, scrollWidth]).toEqual([state, [], page.viewportSize()?.width])
}
