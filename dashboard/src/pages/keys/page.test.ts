import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectAccessible } from '../../lib/testing/looks.ts'
import { type SignedIn, signInPerson } from '../../lib/testing/people.ts'
import { type ServedDashboard, serveDashboard } from '../../lib/testing/serve-dashboard.ts'

/** Keys in a real browser, with an edge that takes them and a worker that stores what is sent. */
let dashboard: ServedDashboard
let admin: SignedIn
let page: Page
beforeAll(async () => {
  dashboard = await serveDashboard(['default'], { hasPipeline: true })
  admin = await signInPerson(dashboard.fixture, 'Grace Hopper', { default: 'ADMIN' })
  page = await dashboard.openPageOf(admin.token)
}, 240_000)
afterAll(() => dashboard?.close())

const open = (shown = page) => shown.goto(`${dashboard.url}/keys`)
const key = (name: string) => page.locator('.key', { hasText: name })
const query = async (sql: string, values: unknown[] = []) =>
  (await dashboard.fixture.database.pool.query(sql, values)).rows
/** Sends an event as a website would. */
const send = async (secret: string, event: string) => {
  const response = await fetch(`${await edgeUrl()}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ event }),
  })
  return response.status
}
const edgeUrl = async () => {
  const { viewer } = (await dashboard.ask('{ viewer { edgeUrl } }')) as {
    viewer: { edgeUrl: string }
  }
  return viewer.edgeUrl
}
const create = async (name: string) => {
  await page.getByRole('button', { name: 'Create a key' }).press('Enter')
  await page.locator('.key-form input:focus').waitFor()
  await page.keyboard.type(name)
}

test('a public key is created by keyboard with its limits, its secret is shown once, and a test event is followed until it is stored', async () => {
  await open()
  await page.getByText('has no keys yet').waitFor()
  await create('website <b>')
  await page.getByLabel('Origins').fill('not an origin')
  await page.keyboard.press('Tab')
  await page.keyboard.type('1200')
  await page.keyboard.press('Enter')
  await page.locator('.hint.wrong', { hasText: '"not an origin" is not an origin' }).waitFor()
  await page.locator('textarea[aria-invalid="true"]:focus').waitFor()
  await page.getByLabel('Origins').fill('https://shop.example\nhttps://*.shop.example\n')
  await page.getByRole('button', { name: 'Add an event' }).press('Enter')
  await page.locator('input[role="combobox"]:focus').waitFor()
  await page.keyboard.type('order')
  await page.locator('.search-options .option', { hasText: 'order' }).waitFor()
  await page.keyboard.press('Enter')
  await page.locator('.token', { hasText: 'order' }).waitFor()
  await page.getByRole('button', { name: 'Create the key' }).press('Enter')
  const secret = await page.locator('.secret-text').innerText()
  expect(secret).toMatch(/^slc_pub_/)
  // Nothing but the button that copies it has the focus.
  await page.locator('.secret button:focus').waitFor()
  expect(await page.locator('.created-key pre').innerText()).not.toContain(secret)
  // The dashboard is no origin of the key, and it takes no other event than orders.
  await page.getByRole('button', { name: 'Send a test event' }).click()
  await page.locator('.test-outcome[data-tone="bad"]', { hasText: 'Refused' }).waitFor()
  expect(await send(secret, 'order')).toBe(202)
  await page.getByRole('button', { name: 'I have stored the key' }).click()
  const facts = (await key('website <b>').innerText()).replaceAll(/\s+/g, ' ')
  expect(facts).toContain('May Send events Public key')
  expect(facts).toContain('From https://shop.example, https://*.shop.example')
  expect(facts).toContain('Limit 1,200 events/min Only events order')
  expect(await page.content()).not.toContain(secret)
})

test('a key is created, sends, is changed, is rotated while the old one works on, and is revoked', async () => {
  await open()
  await create('server')
  await page.getByRole('radio', { name: /^Secret/ }).check()
  await page.getByRole('button', { name: 'Create the key' }).click()
  const secret = await page.locator('.secret-text').innerText()
  await page.getByRole('button', { name: 'Send a test event' }).press('Enter')
  await page
    .locator('.test-outcome[data-tone="good"]', { hasText: 'was accepted and stored' })
    .waitFor()
  const stored = () =>
    query("SELECT count(*)::int AS count FROM event WHERE name = 'sluice_key_test'")
  expect(await stored()).toEqual([{ count: 1 }])
  await page.getByRole('button', { name: 'I have stored the key' }).click()
  await page.getByRole('button', { name: 'Create a key' }).and(page.locator(':focus')).waitFor()

  await key('server').getByRole('button', { name: 'Change' }).click()
  await page.getByLabel('Name').fill('the server')
  await page.getByLabel('Events a minute').fill('500')
  // Somebody else changes it in the meantime: what they did is not overwritten.
  await query(
    "UPDATE api_key SET version = version + 1, may_import_history = true WHERE name = 'server'",
  )
  await page.getByRole('button', { name: 'Save the changes' }).click()
  await page.locator('[role="alert"]', { hasText: 'Somebody changed this' }).waitFor()
  await page.getByRole('button', { name: 'Save the changes' }).click()
  await key('the server').getByText('500 events/min').waitFor()

  await key('the server').getByRole('button', { name: 'Rotate' }).click()
  const dialog = page.locator('.dialog')
  await dialog.getByText('Who still uses it').waitFor()
  await dialog.getByLabel('The old key keeps working for').selectOption({ label: '7 days' })
  await dialog.getByRole('button', { name: 'Create the new key' }).click()
  await page.locator('.secret-text').waitFor()
  const rotated = await page.locator('.secret-text').innerText()
  expect(rotated).not.toBe(secret)
  expect([await send(secret, 'order'), await send(rotated, 'order')]).toEqual([202, 202])
  await page.getByRole('button', { name: 'I have stored the key' }).click()
  const old = page.locator('.key', { hasText: 'Replaced' })
  await old.getByText('in 7 d').waitFor()

  await query(
    'UPDATE key_use_hour SET events = 41 WHERE key_id = (SELECT key_id FROM api_key WHERE replaced_by IS NOT NULL)',
  )
  await open()
  await old.getByRole('button', { name: 'Revoke' }).press('Enter')
  await page.locator('.dialog button:focus', { hasText: 'Cancel' }).waitFor()
  await dialog.getByText('41 events were sent with it in the last day').waitFor()
  await dialog.getByRole('button', { name: 'Revoke the key that sent 41 events' }).press('Enter')
  await old.getByText('Revoked', { exact: true }).first().waitFor()
  expect(await old.getByRole('button', { name: /Change|Rotate|Revoke/ }).count()).toBe(0)
})

test('an editor sees the keys and cannot change them; once demoted they see whom to ask, without a reload', async () => {
  const editor = await signInPerson(dashboard.fixture, 'Emmy Noether', { default: 'EDITOR' })
  const shown = await dashboard.openPageOf(editor.token, {
    viewport: { width: 390, height: 800 },
    colorScheme: 'dark',
  })
  await open(shown)
  await shown.locator('.key').first().waitFor()
  expect(
    await shown.getByRole('button', { name: /Create a key|Change|Rotate|Revoke/ }).count(),
  ).toBe(0)
  await shown.locator('.key-summary').first().click()
  await shown.locator('.key-detail').waitFor()
  await expectAccessible(shown, 'an editor')
  await query("UPDATE membership SET role = 'VIEWER' WHERE person_id = $1", [
    editor.person.personId,
  ])
  await expect
    .poll(async () => {
      await shown.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
      return shown.locator('.state', { hasText: 'ask Grace Hopper' }).count()
    })
    .toBe(1)
  expect(await shown.locator('.key').count()).toBe(0)
})

test('the page and its dialogs fit 390 and 1440 px in light and dark, and axe finds nothing', async () => {
  for (const [width, colorScheme] of [
    [390, 'dark'],
    [1440, 'light'],
  ] as const) {
    const shown = await dashboard.openPageOf(admin.token, {
      viewport: { width, height: 900 },
      colorScheme,
    })
    await open(shown)
    await shown.locator('.key-summary', { hasText: 'website' }).click()
    await shown.locator('.key-detail').waitFor()
    await expectAccessible(shown, 'keys')
    await shown.getByRole('button', { name: 'Revoke… website' }).click()
    await shown.locator('.dialog').waitFor()
    await expectAccessible(shown, 'revoke')
    // The others have no layout of their own where there is room.
    if (width > 390) continue
    await shown.keyboard.press('Escape')
    await shown.getByRole('button', { name: 'Rotate… website' }).click()
    await shown.locator('.dialog').waitFor()
    await expectAccessible(shown, 'rotate')
    await shown.keyboard.press('Escape')
    await shown.getByRole('button', { name: 'Create a key' }).click()
    await shown.locator('.key-form').waitFor()
    await expectAccessible(shown, 'create')
  }
})
