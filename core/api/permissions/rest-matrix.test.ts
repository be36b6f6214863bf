import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PERMISSIONS } from '../../identity/roles.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { TOOLS } from '../mcp/tools.ts'
import { type ProtectedPath, ROUTE_PERMISSIONS } from '../rest/identity/route-permissions.ts'
import { EXPECTED_ERRORS, MARKER } from './testing/field-examples.ts'
import {
  ALLOWED,
  createSenders,
  DENIED,
  type Headers,
  SENDERS,
  type SenderName,
} from './testing/senders.ts'

let fixture: QueryFixture
let senders: Record<SenderName, Headers>
let app: ReturnType<typeof createCoreApp>
beforeAll(async () => {
  fixture = await createQueryFixture()
  const { db, log, graphql } = fixture
  await fixture.store('default', [{ id: MARKER, name: MARKER, actor: MARKER }])
  senders = await createSenders(fixture)
  await fixture.database.pool.query('CREATE TABLE members_before AS SELECT * FROM membership')
  app = createCoreApp({
    ...{ db, log, logger: { error() {} }, metrics: createMetrics({ db, log }) },
    api: { graphql, dashboardFolder: '/nowhere' },
  })
})
afterAll(() => fixture.close())

const UNKNOWN = '0192a1b2-0000-7000-8000-000000000001'
const RANGE = 'start=2026-11-20T00:00:00Z&end=2026-11-21T00:00:00Z'

/** The rest of each path's URL after the tenant, or a body; a route that needs neither is not listed. */
const QUERIES: Record<string, string> = {
  '/v1/metrics/:name': RANGE,
  '/v1/metrics/:name/changes': `${RANGE}&from_as_of=2026-11-21T00:00:00Z`,
  '/v1/balance': RANGE,
  '/v1/receipts': 'idempotency_key=a',
  '/v1/contributions/:name': `${RANGE}&dimension=name`,
  '/v1/ratio': `${RANGE}&numerator=a&denominator=b`,
  '/v1/properties': `${RANGE}&name=a`,
  '/v1/top/:name': `${RANGE}&dimension=actor`,
  '/v1/funnel': `${RANGE}&step=a&step=b`,
  '/v1/retention': `${RANGE}&first=a`,
  '/admin/event/search': `eventId=${MARKER}`,
  '/admin/event/by-idempotency': 'idempotencyKey=a',
}
const BODIES: Record<string, unknown> = {
  'POST /v1/metric-definitions': { name: 'sales', dimensions: ['not a dimension of any event $'] },
  'POST /v1/schemas/:name/pin': { mode: 'observe', schema: 1 },
  'PATCH /v1/members/:id': { role: 'viewer', version: 1 },
  'POST /v1/invitations': { email: 'not an address', role: 'viewer' },
  'POST /v1/tenants': { id: 'default' },
  'POST /v1/keys': { name: '', scopes: ['read'] },
  'PATCH /v1/keys/:id': { version: 1, name: 'x' },
  'POST /v1/keys/:id/rotate': { version: 1 },
}
/** They take no tenant. */
const OF_NO_TENANT = [
  /^\/v1\/(?:pipeline|sessions|tenants)/,
  /^\/(?:api\/v1|admin|metrics|events)\//,
]

async function request(method: string, path: string, headers: Headers, tenant = 'default') {
  const filled = path
    .replace('/members/:id', '/members/999999')
    .replace(':id', /events|receipts/.test(path) ? MARKER : UNKNOWN)
    .replace(':name', 'a')
  const ofTenant = OF_NO_TENANT.some((each) => each.test(path)) ? '' : `tenant=${tenant}&`
  const body = BODIES[`${method} ${path}`]
  const response = await app.request(
    `http://localhost${filled}?${ofTenant}${QUERIES[path] ?? ''}`.replace(/[?&]$/, ''),
    {
      method,
      headers: {
        ...headers,
        'sec-fetch-site': 'same-origin',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    },
  )
  const text = await response.text()
  return { status: response.status, text, code: /"code":"([A-Z_]+)"/.exec(text)?.[1] }
}

const routes = Object.entries<ProtectedPath>(ROUTE_PERMISSIONS).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, permission]) => ({ method, path, permission })),
)

/** What a stranger may call: each checks for itself what it is sent, or shows nothing that is anybody's. */
const OPEN = [
  /^(?:GET|ALL) \/(?:livez|readyz|health|admin\/health|api\/v1\/events\/health)$/,
  /^(?:GET|ALL) \/metrics$/,
  /^ALL \/(?:graphql|\*)$/,
  /^GET \/graphql-console\.js$/,
  /^(?:GET|ALL) \/v1\/(?:openapi\.json|docs(?:\/.*)?|sign-in\/methods)$/,
  /^(?:POST|ALL) \/(?:mcp|csp-report)$/,
  /^(?:GET|POST|DELETE|ALL) \/(?:login|logout|invitation|passkeys?|v1\/passkeys?)(?:\/.*)?$/,
  /^GET \/(?:sign-in|invitation)\.js$/,
  /^ALL \/gateway\/\*$/,
]

describe('the matrix of routes and senders', () => {
  test('every path that core serves is in the table of permissions, or is open on purpose', () => {
    const served = new Set(app.routes.map(({ method, path }) => `${method} ${path}`))
    const parameters = (path: string) => path.replace(/:\w+(?:\{[^}]*\})?/g, ':id')
    const declared = new Set(
      routes.flatMap(({ method, path }) =>
        [method, 'ALL', ...(method === 'GET' ? ['HEAD'] : [])].map(
          (each) => `${each} ${parameters(path)}`,
        ),
      ),
    )
    const unknown = [...served].filter(
      (route) => !declared.has(parameters(route)) && !OPEN.some((each) => each.test(route)),
    )
    expect(unknown).toEqual([])
    const wrong = routes.filter(({ permission }) => !Object.hasOwn(PERMISSIONS, permission))
    expect(wrong).toEqual([])
  })

  test.each(routes)('$method $path: $permission', async ({ method, path, permission }) => {
    const isOfTenant = !OF_NO_TENANT.some((each) => each.test(path))
    const check = async (sender: SenderName) => {
      const { status, text, code } = await request(method, path, senders[sender])
      const of = `${method} ${path} by ${sender}: ${status} ${text.slice(0, 300)}`
      if (DENIED.includes(sender)) {
        expect([401, 403], of).toContain(status)
        expect(['UNAUTHENTICATED', 'FORBIDDEN'], of).toContain(code)
      } else if (ALLOWED[permission]?.includes(sender)) {
        if (status >= 300) expect([...EXPECTED_ERRORS], of).toContain(code)
      } else if (sender === 'owner of other' && isOfTenant && permission !== 'tenants.create') {
        expect(code, of).toBe('BAD_USER_INPUT')
        const nowhere = await request(method, path, senders[sender], 'nowhere')
        const withoutIds = (body: string) => body.replace(/"request_id":"[^"]*"/, '')
        expect(withoutIds(text.replaceAll('default', 'nowhere')), of).toBe(withoutIds(nowhere.text))
        expect(status).toBe(nowhere.status)
      } else if (isOfTenant || (sender !== 'owner of other' && permission !== 'own-sessions'))
        if (isOfTenant || sender !== 'read key of other')
          // Where no tenant is named, a key of another one gets what is its own.
          expect(['FORBIDDEN', ...(sender === 'removed' ? ['BAD_USER_INPUT'] : [])], of).toContain(
            code,
          )
      if (!ALLOWED[permission]?.includes(sender)) {
        const mine = path.includes(':id') ? text.replaceAll(MARKER, '') : text
        expect(mine, of).not.toContain(MARKER)
      }
    }
    await Promise.all(SENDERS.map(check))
    if (path === '/v1/members/leave')
      await fixture.database.pool.query(
        'INSERT INTO membership SELECT * FROM members_before ON CONFLICT DO NOTHING',
      )
  })
})

describe('tools of MCP', () => {
  test('each names a permission, and keys alone may call them, as far as their scope goes', async () => {
    for (const { name, permission } of TOOLS) {
      expect(Object.hasOwn(PERMISSIONS, permission), name).toBe(true)
      for (const sender of SENDERS) {
        const response = await app.request('http://localhost/mcp', {
          method: 'POST',
          headers: {
            ...senders[sender],
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
          },
          body: JSON.stringify({
            ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
            params: { name, arguments: {} },
          }),
        })
        const text = await response.text()
        const isAllowed = ['read key', 'admin key', 'read key of other'].includes(sender)
        expect([200, 401, 403].indexOf(response.status) > 0, `${name} by ${sender}: ${text}`).toBe(
          !isAllowed,
        )
        if (!['read key', 'admin key'].includes(sender)) expect(text).not.toContain(MARKER)
      }
    }
  })
})
