import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'
import { type RealProvider, startProviderOf } from './testing/real-provider.ts'

/** A system without tenants and people, one operator by setting, and a provider of the package oidc-provider. */
let fixture: SignInFixture
let provider: RealProvider
beforeAll(async () => {
  fixture = await startSignInFixture(
    async (coreUrl) => {
      const work = await startProviderOf(coreUrl, 'work', 'Work')
      provider = work.provider
      return {
        providers: [work.settings],
        operators: [{ issuer: provider.issuer, email: 'root@example.com' }],
      }
    },
    {},
    [],
  )
})
afterAll(async () => {
  await fixture?.close()
  await provider?.close()
})

async function signIn(name: string, body: object = {}): Promise<TestBrowser> {
  const account = { email: `${name}@example.com`, email_verified: true, name }
  provider.accounts.set(name, account)
  provider.account = name
  const browser = new TestBrowser()
  const callback = await browser.signInAtProvider(fixture.core.url, 'work', body)
  expect((await browser.open(callback)).status).toBe(303)
  return browser
}

/** A request of a program with somebody's session. */
async function send(
  browser: TestBrowser,
  request: string,
  body?: unknown,
  more: Record<string, string> = {},
) {
  const [method = '', path = ''] = request.split(' ')
  const response = await browser.open(`${fixture.core.url}${path}`, {
    method,
    headers: {
      'sec-fetch-site': 'same-origin',
      'x-sluice-request': '1',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...more,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, json: text ? JSON.parse(text) : '' }
}

interface Member {
  id: string
  name: string
  role: string
  version: number
}

async function members(browser: TestBrowser): Promise<Map<string, Member>> {
  const { json } = await send(browser, 'GET /v1/members?tenant=shop')
  return new Map(json.data.map((member: Member) => [member.name, member]))
}

test('a team of four roles is set up from an empty system through the REST API alone, changed, and taken apart', async () => {
  const root = await signIn('root')
  const created = await send(root, 'POST /v1/tenants', { id: 'shop' })
  expect([created.status, created.json]).toEqual([201, { data: { id: 'shop' } }])
  expect((await send(root, 'POST /v1/tenants', { id: 'shop' })).status).toBe(409)

  const team = new Map<string, TestBrowser>()
  const invite = async (by: TestBrowser, name: string, role: string) => {
    const email = `${name}@example.com`
    const sent = await send(by, 'POST /v1/invitations?tenant=shop', { email, role })
    expect([sent.status, sent.headers.get('cache-control')]).toEqual([201, 'no-store'])
    expect(sent.json.data).toMatchObject({ email, role })
    return sent.json as { url: string; data: { id: string } }
  }
  const tokenOf = ({ url }: { url: string }) => url.split('#token=')[1] as string
  const join = async (by: TestBrowser, name: string, role: string) => {
    team.set(name, await signIn(name, { invitation: tokenOf(await invite(by, name, role)) }))
    return team.get(name) as TestBrowser
  }
  const owner = await join(root, 'olga', 'owner')
  const admin = await join(owner, 'adam', 'admin')
  const editor = await join(admin, 'edda', 'editor')
  const viewer = await join(admin, 'vera', 'viewer')
  const rolesNow = async () =>
    Object.fromEntries([...(await members(owner))].map(([name, { role }]) => [name, role]))
  const roles = { root: 'owner', olga: 'owner', adam: 'admin', edda: 'editor', vera: 'viewer' }
  expect(await rolesNow()).toEqual(roles)

  // Nobody gives a role above their own, nor without one that may invite.
  const byAdmin = await send(admin, 'POST /v1/invitations?tenant=shop', {
    ...{ email: 'x@example.com', role: 'owner' },
  })
  expect([byAdmin.status, byAdmin.json.code]).toEqual([403, 'FORBIDDEN'])
  for (const browser of [editor, viewer])
    expect((await send(browser, 'GET /v1/invitations?tenant=shop')).status).toBe(403)

  // An invitation is listed without its link, and revoked.
  const open = await invite(admin, 'late', 'viewer')
  const listed = await send(admin, 'GET /v1/invitations?tenant=shop')
  expect(listed.json.data).toMatchObject([{ id: open.data.id, email: 'late@example.com' }])
  expect(JSON.stringify(listed.json)).not.toContain(tokenOf(open))
  const path = `/v1/invitations/${open.data.id}?tenant=shop`
  expect((await send(admin, `DELETE ${path}`)).status).toBe(204)
  expect((await send(admin, 'GET /v1/invitations?tenant=shop')).json.data).toEqual([])
  expect((await send(admin, `DELETE ${path}`)).status).toBe(404)

  // A role is changed by the version that was read.
  const vera = (await members(owner)).get('vera') as Member
  const veraPath = `PATCH /v1/members/${vera.id}?tenant=shop`
  const changed = await send(owner, veraPath, { role: 'editor', version: vera.version })
  expect(changed.json.data).toMatchObject({ id: vera.id, role: 'editor' })
  const etag = changed.headers.get('etag') as string
  const stale = await send(owner, veraPath, { role: 'viewer', version: vera.version })
  expect([stale.status, stale.json.code]).toEqual([409, 'VERSION_CONFLICT'])
  const back = await send(owner, veraPath, { role: 'viewer' }, { 'if-match': etag })
  expect([back.status, back.json.data.role]).toEqual([200, 'viewer'])
  expect((await send(viewer, veraPath, { role: 'owner' }, { 'if-match': '"9"' })).status).toBe(403)

  // Removed, left, and the last owner.
  const edda = (await members(owner)).get('edda') as Member
  expect((await send(admin, `DELETE /v1/members/${edda.id}?tenant=shop`)).status).toBe(204)
  expect((await send(viewer, 'POST /v1/members/leave?tenant=shop')).status).toBe(204)
  for (const browser of [editor, viewer]) {
    const refused = async (tenant: string) => {
      const { status, json } = await send(browser, `GET /v1/members?tenant=${tenant}`)
      return { status, ...json, request_id: '', instance: '' }
    }
    expect(await refused('shop')).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    // As a tenant that does not exist.
    expect(await refused('shop')).toEqual(await refused('none'))
  }
  expect((await send(root, 'POST /v1/members/leave?tenant=shop')).status).toBe(204)
  const last = await send(owner, 'POST /v1/members/leave?tenant=shop')
  expect([last.status, last.json.code]).toEqual([409, 'LAST_OWNER'])
  expect(await rolesNow()).toEqual({ olga: 'owner', adam: 'admin' })

  const log = await send(owner, 'GET /v1/audit?tenant=shop')
  const actions = log.json.data.map(({ action }: { action: string }) => action)
  for (const action of ['member.invited', 'member.joined', 'member.role-changed', 'member.removed'])
    expect(actions).toContain(action)
})

test('own sessions are listed, ended one by one and all at once through the REST API', async () => {
  const first = await signIn('root')
  const second = await signIn('root')
  const third = await signIn('root')
  const { json } = await send(first, 'GET /v1/sessions')
  const own = json.data.filter((each: { is_current: boolean }) => each.is_current)
  expect(own).toHaveLength(1)
  const ofSecond = (await send(second, 'GET /v1/sessions')).json.data.find(
    (each: { is_current: boolean }) => each.is_current,
  )
  expect((await send(first, `DELETE /v1/sessions/${ofSecond.id}`)).status).toBe(204)
  expect((await send(second, 'GET /v1/sessions')).status).toBe(401)
  expect((await send(first, `DELETE /v1/sessions/${ofSecond.id}`)).status).toBe(404)
  const ended = await send(first, 'DELETE /v1/sessions')
  expect([ended.status, ended.json.data.ended]).toEqual([200, expect.any(Number)])
  expect((await send(third, 'GET /v1/sessions')).status).toBe(401)
  expect((await send(first, 'GET /v1/sessions')).json.data).toHaveLength(1)
  const all = await send(first, 'DELETE /v1/sessions?including_this=true')
  expect(all.json).toEqual({ data: { ended: 1 } })
  expect((await send(first, 'GET /v1/sessions')).status).toBe(401)
})
