import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  type RealProvider,
  startProviderOf,
} from '../../../../../core/api/http/sign-in/testing/real-provider.ts'
import { expectAccessible } from '../../../lib/testing/looks.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/** A system without tenants and people, and a provider of the package oidc-provider. */
let dashboard: ServedDashboard
let provider: RealProvider
beforeAll(async () => {
  dashboard = await serveDashboard([], {
    async signInSettings(coreUrl) {
      const work = await startProviderOf(coreUrl, 'work', 'Work')
      provider = work.provider
      return {
        providers: [work.settings],
        operators: [{ issuer: provider.issuer, email: 'root@example.com' }],
      }
    },
  })
}, 240_000)
afterAll(async () => {
  await dashboard?.close()
  await provider?.close()
})

/** Signs in at the provider, from the page of core that is open. */
async function continueWithWork(page: Page, name: string): Promise<Page> {
  const account = { email: `${name}@example.com`, email_verified: true, name }
  provider.accounts.set(name, account)
  provider.account = name
  await page.getByRole('button', { name: 'Continue with Work' }).click()
  await page.waitForURL((url) => url.href.startsWith(dashboard.url) && url.pathname === '/')
  return page
}

async function invite(by: Page, name: string, role: string): Promise<string> {
  await by.goto(`${dashboard.url}/settings/members`)
  await by.getByRole('button', { name: 'Invite a person' }).click()
  await by.locator('input[type="email"]').fill(`${name}@example.com`)
  await by.getByRole('radio', { name: new RegExp(`^${role}`) }).check()
  await by.locator('.dialog form button[type="submit"]').click()
  return by.locator('.secret-text').innerText()
}

async function join(by: Page, name: string, role: string): Promise<Page> {
  const link = await invite(by, name, role)
  const page = await dashboard.openSignedOut(
    name === 'vera' ? { viewport: { width: 390, height: 800 }, colorScheme: 'dark' } : {},
  )
  await page.goto(link)
  await page.getByRole('heading', { name: 'Join shop' }).waitFor()
  await expectAccessible(page, 'invitation')
  await continueWithWork(page, name)
  return page
}

const rolesSeenBy = async (page: Page): Promise<string[]> => {
  await page.goto(`${dashboard.url}/settings/members`)
  await page.locator('.entity').first().waitFor()
  const rows = await page.locator('.entity').allInnerTexts()
  return rows.map((text) => /Role\s*(Owner|Admin|Editor|Viewer)/.exec(text)?.[1] ?? text)
}

test('a team of four roles is set up from an empty system through the pages alone', async () => {
  const root = await dashboard.openSignedOut()
  await root.goto(dashboard.url)
  await root.locator('.state a[href^="/login"]').click()
  await expectAccessible(root, 'sign-in')
  await continueWithWork(root, 'root')
  await root.getByText('There is none yet. Create the first one').waitFor()
  await root.getByRole('button', { name: 'New tenant' }).click()
  await root.getByLabel('Id of the tenant').fill('Shop!')
  await root.getByRole('button', { name: 'Create the tenant' }).click()
  await root.locator('[role="alert"], .field-error').first().waitFor()
  await root.getByLabel('Id of the tenant').fill('shop')
  await root.getByRole('button', { name: 'Create the tenant' }).click()
  // The navigation is there without a tenant, too.
  await root.locator('#no-tenant').waitFor({ state: 'detached' })

  const owner = await join(root, 'olga', 'Owner')
  const admin = await join(owner, 'adam', 'Admin')
  await join(admin, 'edda', 'Editor')
  const viewer = await join(admin, 'vera', 'Viewer')
  expect((await rolesSeenBy(owner)).sort()).toEqual(['Admin', 'Editor', 'Owner', 'Owner', 'Viewer'])

  await rolesSeenBy(viewer)
  expect(await viewer.getByRole('button', { name: 'Invite a person' }).count()).toBe(0)
  await expectAccessible(viewer, 'members, as a viewer')
  // A viewer leaves, and sees whom to ask.
  const own = viewer.locator('.entity', { hasText: 'You' })
  await own.getByRole('button', { name: 'Leave' }).click()
  await viewer.getByRole('button', { name: 'Leave the tenant' }).click()
  await viewer.getByText('You are not a member of a tenant').waitFor()
  expect((await rolesSeenBy(owner)).sort()).toEqual(['Admin', 'Editor', 'Owner', 'Owner'])
})
