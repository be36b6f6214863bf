import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordAudit } from '../../../../core/identity/audit/audit-log.ts'
import { acceptInvitation } from '../../../../core/identity/people/invitations.ts'
import { changeRole } from '../../../../core/identity/people/members.ts'
import type { Role } from '../../../../core/identity/roles.ts'
import { beginSession } from '../../../../core/identity/sessions.ts'
import { createBackfill } from '../../../../core/metrics/backfill.ts'
import { expectAccessible } from '../../lib/testing/looks.ts'
import { type SignedIn, signInPerson } from '../../lib/testing/people.ts'
import { type ServedDashboard, serveDashboard } from '../../lib/testing/serve-dashboard.ts'

/** Settings in real browsers: of an owner, wide and light, and of somebody new, narrow and dark. */
const ORDER = 'طلب <b>order</b>'
let dashboard: ServedDashboard
let ada: SignedIn
let grace: SignedIn
let owner: Page
let other: Page
let tenantId: number
beforeAll(async () => {
  dashboard = await serveDashboard(['default', 'other'])
  const { fixture } = dashboard
  ada = await signInPerson(fixture, 'Ada Lovelace', { default: 'OWNER' })
  grace = await signInPerson(fixture, 'Grace <img src=x onerror=alert(1)> Hopper')
  const { rows } = await fixture.database.pool.query(
    "SELECT tenant_id FROM tenant WHERE slug = 'default'",
  )
  tenantId = rows[0].tenant_id
  await fixture.store(
    'default',
    Array.from({ length: 60 }, (_, i) => ({
      name: i % 2 ? ORDER : 'signup',
      properties: { plan: ['pro', 'free'][i % 3 ? 0 : 1], total: i },
    })),
  )
  owner = await dashboard.openPageOf(ada.token)
  other = await dashboard.openPageOf(grace.token, {
    viewport: { width: 390, height: 800 },
    colorScheme: 'dark',
  })
}, 240_000)
afterAll(() => dashboard?.close())

const open = (path: string, page = owner) => page.goto(`${dashboard.url}${path}`)
const query = (sql: string, values: unknown[] = []) =>
  dashboard.fixture.database.pool.query(sql, values)
/** Shows what changed since, as a page that is looked at again does. */
const look = (page: Page) => page.evaluate('document.dispatchEvent(new Event("visibilitychange"))')
const seen = (page: Page, selector: string, hasText: string) =>
  expect
    .poll(async () => {
      await look(page)
      return page.locator(selector, { hasText }).count()
    })
    .toBeGreaterThan(0)
const navigation = (page: Page) => page.locator('nav.rail a:not(.brand)').allInnerTexts()
const row = (name: string) => owner.locator('.entity', { hasText: name })
const byOperator = { isOperator: true, actor: { kind: 'operator' } } as const
const setRole = (role: Role) =>
  changeRole(dashboard.fixture.db, {
    ...{ tenantId, personId: grace.person.personId, role },
    by: byOperator,
  })

test('somebody without a tenant sees whom to ask, accepts an invitation, uses the tenant, is demoted, and loses what is forbidden without a reload', async () => {
  await open('/keys', other)
  await other.locator('.state', { hasText: grace.person.email as string }).waitFor()
  expect(await navigation(other)).toEqual([])
  await expectAccessible(other, 'no tenant')

  // By keyboard alone.
  await open('/settings/members')
  await owner.getByRole('button', { name: 'Invite a person' }).press('Enter')
  await owner.locator('input[type="email"]:focus').waitFor()
  await owner.keyboard.type(grace.person.email as string)
  await owner.getByRole('radio', { name: /^Viewer/ }).press('ArrowDown')
  await owner.keyboard.press('ArrowDown')
  await owner.keyboard.press('Enter')
  const link = await owner.locator('.secret-text').innerText()
  await owner.locator('.secret button:focus').waitFor()
  expect(link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/invitation#token=/)
  await owner.keyboard.press('Escape')
  // The focus is where it was.
  await owner
    .getByRole('button', { name: 'Invite a person' })
    .and(owner.locator(':focus'))
    .waitFor()
  await row(grace.person.email as string)
    .getByText('RoleAdmin')
    .waitFor()
  await owner.getByText('in 7 d').waitFor()

  await acceptInvitation(dashboard.fixture.db, {
    ...{ token: link.split('token=')[1] as string, person: grace.person },
    verifiedEmail: grace.person.email as string,
  })
  await other.getByRole('button', { name: 'Check again' }).click()
  await other.getByRole('button', { name: 'Create a key' }).waitFor()
  expect(await other.locator('img').count()).toBe(0)
  await other.getByRole('button', { name: 'More' }).click()
  await other.locator('.popover-panel a', { hasText: 'Settings' }).click()
  await other.getByRole('link', { name: 'Audit log' }).click()
  await other.locator('.audit-entry', { hasText: 'member.joined' }).waitFor()

  // A role that somebody else gave in the meantime is not overwritten.
  await seen(owner, '.entity', 'Grace')
  await row('Grace').getByRole('button', { name: 'Change role' }).click()
  await owner.getByRole('radio', { name: /^Viewer/ }).check()
  await setRole('EDITOR')
  await owner.getByRole('button', { name: 'Change to viewer' }).click()
  await owner.locator('[role="alert"]', { hasText: 'Somebody changed this' }).waitFor()
  await owner.locator('.dialog', { hasText: 'Editor at the moment' }).waitFor()
  await owner.getByRole('radio', { name: /^Viewer/ }).check()
  await owner.getByRole('button', { name: 'Change to viewer' }).click()
  await owner.locator('.dialog').waitFor({ state: 'detached' })
  await row('Grace').getByText('RoleViewer').waitFor()

  await seen(other, '.state', 'You do not have access to Audit log')
  await other
    .locator('.state', { hasText: 'ask Ada Lovelace (ada.lovelace@example.com)' })
    .waitFor()
  await expectAccessible(other, 'forbidden')
  await other.getByRole('link', { name: 'Members' }).click()
  await other.locator('.entity', { hasText: 'Ada' }).waitFor()
  expect(await other.getByRole('button', { name: /Invite|Change role|Remove/ }).count()).toBe(0)

  await row('Grace').getByRole('button', { name: 'Remove' }).click()
  await owner.locator('.dialog button:focus', { hasText: 'Cancel' }).waitFor()
  await owner.getByRole('button', { name: 'Remove the member' }).click()
  await row('Grace').waitFor({ state: 'detached' })
  await seen(other, '.state', 'You are not a member of a tenant')
})

test('the only owner cannot leave; somebody else can, and is asked once', async () => {
  await open('/settings/members')
  await row('You').getByRole('button', { name: 'Leave' }).click()
  await owner.getByRole('button', { name: 'Leave the tenant' }).click()
  await owner.locator('[role="alert"]', { hasText: 'A tenant keeps one owner' }).waitFor()
  await owner.getByRole('button', { name: 'Cancel' }).click()
  await owner.locator('.dialog').waitFor({ state: 'detached' })
  expect(await row('You').count()).toBe(1)
})

test('a change that takes a recent sign-in leads there, and comes back to the same page', async () => {
  await query("UPDATE session SET authenticated_at = now() - interval '16 minutes'")
  await open('/settings/members?zone=UTC')
  await owner.getByRole('button', { name: 'Invite a person' }).click()
  await owner.locator('input[type="email"]').fill('new@example.com')
  await owner.getByRole('button', { name: 'Create the invitation' }).click()
  const link = owner.getByRole('link', { name: 'Sign in and come back' })
  expect(await link.getAttribute('href')).toBe(
    `/login?return=${encodeURIComponent('/settings/members?zone=UTC')}&again`,
  )
  expect((await query("SELECT 1 FROM invitation WHERE email = 'new@example.com'")).rowCount).toBe(0)
  await link.click()
  await owner.waitForURL('**/login?return=*')
  await query('UPDATE session SET authenticated_at = now()')
})

test('an own session is ended alone, then all others, then every one; each browser says so', async () => {
  const from = { device: 'Safari on iPhone', address: '2001:db8::7' }
  const begin = () =>
    beginSession(dashboard.fixture.db, {
      ...{ personId: ada.person.personId, method: 'passkey', ...from },
    })
  const tokens = [await begin(), await begin()]
  const page = await dashboard.openPageOf(tokens[0] as string)
  await open('/settings/sessions', page)
  await page.locator('.entity', { hasText: 'This browser' }).waitFor()
  await open('/settings/sessions')
  await expect.poll(() => owner.locator('.entity').count()).toBe(3)
  const texts = await owner.locator('.entity').allInnerTexts()
  expect(texts.filter((text) => text.includes('Passkey, from 2001:db8::7'))).toHaveLength(2)
  expect(texts.filter((text) => text.includes('This browser'))).toHaveLength(1)
  // The newest is first.
  await owner.getByRole('button', { name: 'End the session in Safari' }).first().click()
  await expect.poll(() => owner.locator('.entity').count()).toBe(2)
  await look(page)
  expect(await page.locator('.entity').count()).toBeGreaterThan(0)
  await owner.getByRole('button', { name: 'End all other sessions' }).click()
  await owner.getByRole('button', { name: 'End 1 session' }).click()
  await expect.poll(() => owner.locator('.entity').count()).toBe(1)
  await seen(page, 'h1', 'You are signed out')

  await owner.keyboard.press('u')
  await owner.getByRole('button', { name: 'End all sessions…' }).press('Enter')
  await owner.getByRole('button', { name: 'End all sessions', exact: true }).press('Enter')
  await owner.locator('h1', { hasText: 'You are signed out' }).waitFor()
  ada = await signInPerson(dashboard.fixture, 'Ada Lovelace')
  owner = await dashboard.openPageOf(ada.token)
})

test('the audit log is filtered, paged and expanded, and its export has exactly the entries of the filter', async () => {
  const { db } = dashboard.fixture
  await db.transaction().execute(async (tx) => {
    for (let i = 1; i <= 51; i++)
      await recordAudit(
        tx,
        { kind: 'cli' },
        {
          ...{ tenantId, action: 'key.changed', object: `key ${i}` },
          ...{ before: { name: 'a' }, after: { name: '<b>b</b>' } },
        },
      )
  })
  await open('/settings/audit')
  await owner.getByLabel('Action').selectOption({ label: 'API keys' })
  const entries = owner.locator('.audit-entry')
  await expect.poll(() => entries.count()).toBe(50)
  expect(await entries.first().innerText()).toContain('key 51')
  await owner.getByRole('button', { name: 'Older' }).click()
  await expect.poll(() => entries.count()).toBe(1)
  await entries.first().getByRole('button').press('Enter')
  await owner.locator('.audit-change .json', { hasText: '"<b>b</b>"' }).waitFor()
  await owner.getByRole('button', { name: 'Newer' }).click()
  await expect.poll(() => entries.count()).toBe(50)
  await owner.getByLabel('By').selectOption({ label: 'Sluice itself' })
  await owner.getByText('No entry matches these filters.').waitFor()
  await owner.getByRole('button', { name: 'Remove the filters' }).click()
  await owner.getByLabel('By').selectOption({ label: 'The command line' })
  await expect.poll(() => entries.count()).toBe(50)

  const download = owner.waitForEvent('download')
  await owner.getByRole('button', { name: 'Download NDJSON' }).click()
  const file = await download
  expect(file.suggestedFilename()).toBe('audit-default.ndjson')
  const lines = readFileSync(await file.path(), 'utf8')
    .trim()
    .split('\n')
  expect(lines.map((line) => JSON.parse(line).object)).toEqual(
    Array.from({ length: 51 }, (_, i) => `key ${i + 1}`),
  )
})

test('a metric is declared, is counted with progress, is used in Explore, gets a new version and is retired', async () => {
  await open('/settings/metrics')
  await owner.getByRole('button', { name: 'Declare a metric' }).press('Enter')
  await owner.locator('.metric-form input:focus').waitFor()
  await owner.keyboard.type('signup')
  await owner.getByRole('button', { name: 'Add an event' }).press('Enter')
  await owner.locator('.search-options .option', { hasText: 'order' }).waitFor()
  await owner.keyboard.type('order')
  await owner.keyboard.press('Enter')
  await owner.locator('.token', { hasText: ORDER }).waitFor()
  await owner.getByRole('button', { name: 'Add a filter' }).press('Enter')
  await owner.locator('.search-options .option', { hasText: 'plan' }).waitFor()
  await owner.keyboard.type('plan')
  await owner.keyboard.press('Enter')
  await owner.getByRole('button', { name: 'Add a value' }).press('Enter')
  await owner.locator('.search-options .option', { hasText: 'pro' }).click()
  await owner.getByRole('button', { name: 'Choose a property' }).press('Enter')
  await owner.locator('.search-options .option', { hasText: 'total' }).click()
  await owner.getByRole('button', { name: 'Add a dimension' }).press('Enter')
  await owner.locator('.search-options .option', { hasText: 'plan' }).click()
  const declare = owner.getByRole('button', { name: 'Declare the metric' })
  await declare.press('Enter')
  // By the pointer that the API gives, at the field.
  await owner.locator('.metric-form [aria-invalid="true"]:focus').waitFor()
  await owner.locator('.field [role="alert"]', { hasText: 'is the name of events' }).waitFor()
  await owner.getByLabel('Name').fill('pro orders')
  await owner.keyboard.press('Enter')

  const metric = owner.locator('.metric', { hasText: 'pro orders' })
  await metric.locator('progress').waitFor()
  await metric.locator('.hint', { hasText: 'Counting its history: 0 of 1 days' }).waitFor()
  expect(await metric.innerText()).toContain('and earlier once its history is counted')
  const { pool } = dashboard.fixture.database
  const backfill = createBackfill(pool, new AbortController().signal)
  while ((await backfill.step()) !== 'idle');
  await metric.locator('progress').waitFor({ state: 'detached' })
  const parts = (await metric.innerText()).replaceAll(/\s+/g, ' ')
  expect(parts).toContain(`Events ${ORDER}`)
  expect(parts).toContain('Filter plan is pro Value total Dimensions plan Series 1 of 1,000')
  expect(parts).toContain('Exact from The first event')
  await metric.getByRole('link', { name: 'pro orders' }).click()
  await owner.locator('.provenance', { hasText: 'the declared metric pro orders' }).waitFor()

  await owner.goBack()
  await metric.getByRole('button', { name: 'New version' }).click()
  await owner.getByRole('button', { name: 'Remove plan' }).last().click()
  await owner.getByRole('button', { name: 'Activate the new version' }).click()
  await metric.getByText('Version 2').waitFor()
  // Beyond the limit all is counted, together.
  await query(
    `INSERT INTO metric_series (tenant_id, metric_id, dims_hash, dims, last_used_on)
     SELECT tenant_id, metric_id, sha256(n::text::bytea), ARRAY[n::text], now()
       FROM metric_definition, generate_series(1, 1000) n WHERE name = 'pro orders' AND retired_at IS NULL`,
  )
  await seen(owner, '.metric-other', 'Full: further values are counted as “(other)”.')
  await metric.getByRole('button', { name: 'Retire' }).press('Enter')
  const dialog = owner.locator('.dialog')
  await dialog.getByText('with its 2 versions').waitFor()
  await owner.locator('.dialog button:focus', { hasText: 'Cancel' }).waitFor()
  await dialog.getByRole('button', { name: 'Retire the metric' }).press('Enter')
  await owner.getByText('No metric is declared').waitFor()
  // What had the focus is gone; the next Tab goes on in the page.
  await owner.locator('#page:focus').waitFor()
})

test('what a viewer may not do is not offered, and a refused change says why', async () => {
  const viewer = await signInPerson(dashboard.fixture, 'Vera Viewer', { default: 'VIEWER' })
  const page = await dashboard.openPageOf(viewer.token)
  await open('/settings', page)
  await page.waitForURL('**/settings/metrics')
  await page.getByText('Editors of the tenant and above can declare metrics.').waitFor()
  const titles = ['Overview', 'Explore', 'Pipeline', 'Search', 'Settings']
  expect(await navigation(page)).toEqual(titles)
  expect(await page.locator('.settings-link').allInnerTexts()).toEqual([
    'Metrics',
    'Members',
    'Sessions',
    'Sign-in',
  ])
  expect(await page.getByRole('button', { name: 'Declare a metric' }).count()).toBe(0)
  await open('/settings/audit', page)
  await page.locator('.state', { hasText: 'Vera' }).or(page.locator('.state')).waitFor()
  await open('/?tenant=other', page)
  await page
    .locator('.state', { hasText: 'ask an owner of it to invite vera.viewer@example.com' })
    .waitFor()
})

test('every section fits 390 and 1440 px in light and dark, and axe finds nothing', async () => {
  await signInPerson(dashboard.fixture, 'طلب'.repeat(30), { default: 'EDITOR' })
  for (const [width, colorScheme] of [
    [390, 'dark'],
    [1440, 'light'],
  ] as const) {
    const page = await dashboard.openPageOf(ada.token, {
      viewport: { width, height: 900 },
      colorScheme,
    })
    await open('/settings/members', page)
    await page.locator('.entity').first().waitFor()
    await expectAccessible(page, 'members')
    await page.getByRole('button', { name: 'Invite a person' }).click()
    await page.locator('.dialog').waitFor()
    await expectAccessible(page, 'invite')
    await open('/settings/audit', page)
    await page.locator('.audit-summary').first().click()
    await expectAccessible(page, 'audit')
    // The others have no layout of their own where there is room.
    if (width > 390) continue
    await open('/settings/sessions', page)
    await page.locator('.entity').first().waitFor()
    await page.keyboard.press('u')
    await page.locator('.user-title').waitFor()
    await expectAccessible(page, 'sessions and user menu')
    await open('/settings/metrics', page)
    await page.getByRole('button', { name: 'Declare a metric' }).click()
    await page.locator('.metric-form').waitFor()
    await expectAccessible(page, 'metrics')
  }
}, 90_000)
