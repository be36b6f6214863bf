import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inviteMember } from '../../../../../core/identity/people/invitations.ts'
import { expectAccessible } from '../../../lib/testing/looks.ts'
import { signInPerson } from '../../../lib/testing/people.ts'
import { type ServedDashboard, serveDashboard } from '../../../lib/testing/serve-dashboard.ts'

/** Settings, Sign-in, of somebody with a passkey of Chromium's virtual authenticator, and of somebody of a provider. */
const LONG_NAME = 'طلب<b>'.repeat(16)
let dashboard: ServedDashboard
/** Passkeys do not work under an IP address. */
const url = () => dashboard.url.replace('127.0.0.1', 'localhost')
beforeAll(async () => {
  dashboard = await serveDashboard(['default'])
}, 240_000)
afterAll(() => dashboard?.close())

/** A device of its own: an authenticator keeps one passkey of a person. */
async function connectAuthenticator(page: Page): Promise<() => Promise<unknown>> {
  const cdp = await page.context().newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      ...{ protocol: 'ctap2', transport: 'internal', hasResidentKey: true },
      ...{ hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    },
  })
  return () => cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
}

const rows = (page: Page) => page.locator('.panel', { hasText: 'Your passkeys' }).locator('.entity')

test('a passkey is added on a second device, signs in, and takes the place of the first', async () => {
  const { db } = dashboard.fixture
  const { tenant_id: tenantId } = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .executeTakeFirstOrThrow()
  const { token } = await inviteMember(db, {
    ...{ tenantId, email: 'ada@example.com', role: 'VIEWER' },
    by: { actor: { kind: 'operator' }, isOperator: true },
  })
  const page = await dashboard.openSignedOut({
    viewport: { width: 390, height: 800 },
    colorScheme: 'dark',
  })
  const disconnect = await connectAuthenticator(page)
  await page.goto(`${url()}/invitation#token=${token}`)
  await page.getByLabel('Your name').fill('Ada')
  await page.keyboard.press('Enter')
  await page.waitForURL((to) => to.pathname === '/')

  await page.goto(`${url()}/settings/sign-in`)
  await rows(page).getByText('The last one stays').waitFor()
  // The device that has one already.
  const add = page.getByRole('button', { name: 'Add a passkey on this device' })
  await add.click()
  await page.locator('[role="alert"]', { hasText: 'has a passkey for you already' }).waitFor()
  await expectAccessible(page, 'one passkey')

  await disconnect()
  await connectAuthenticator(page)
  await page.getByLabel('Name of a new passkey').fill(LONG_NAME)
  await page.keyboard.press('Enter')
  await expect.poll(() => rows(page).count()).toBe(2)
  expect(await page.getByLabel('Name of a new passkey').inputValue()).toBe('')
  await expectAccessible(page, 'two passkeys')

  await rows(page).first().getByRole('button', { name: 'Remove' }).click()
  await page.locator('.dialog button:focus', { hasText: 'Cancel' }).waitFor()
  await page.getByRole('button', { name: 'Remove the passkey', exact: true }).click()
  await expect.poll(() => rows(page).count()).toBe(1)
  expect(await rows(page).innerText()).toContain(LONG_NAME)

  await page.context().clearCookies()
  await page.goto(`${url()}/login?return=/settings/sign-in`)
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await rows(page).first().waitFor()
  expect(await rows(page).innerText()).not.toContain('Never')
}, 90_000)

test('somebody of a provider sees how people sign in, and that the provider has their credentials', async () => {
  const { token } = await signInPerson(dashboard.fixture, 'Grace Hopper', { default: 'VIEWER' })
  const page = await dashboard.openPageOf(token)
  await page.context().addCookies([{ name: 'sluice_session', value: token, url: url() }])
  await page.goto(`${url()}/settings`)
  await page.getByRole('link', { name: 'Sign-in' }).click()
  await page.getByText('You sign in by a provider').waitFor()
  expect(await page.getByRole('button', { name: 'Add a passkey' }).count()).toBe(0)
  const methods = page.locator('.panel', { hasText: 'How people sign in' }).locator('.entity')
  expect((await methods.allInnerTexts()).map((text) => text.split('\n')[0])).toEqual([
    'Passkeys',
    'Sign-in links',
  ])
  await expectAccessible(page, 'methods')
})
