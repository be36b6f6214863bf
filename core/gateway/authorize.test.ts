import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createSecurityLog } from '../lib/security-log.ts'
import { createAuthorize, type GatewayEnv } from './authorize.ts'

const users = [
  { name: 'fra', password: 'the right one', scope: 'produce' },
  { name: 'bi', password: 'another one', scope: 'consume' },
] as const

function createGateway() {
  const lines: Record<string, unknown>[] = []
  const write = (fields: object) => lines.push((fields as { security: never }).security)
  const securityLog = createSecurityLog({ info: write, warn: write })
  const authorize = createAuthorize({
    users,
    securityLog,
    addressOf: (c) => c.req.header('x-test-address'),
  })
  const app = new Hono<GatewayEnv>().post('/produce', authorize('produce'), (c) =>
    c.text(c.get('user').name),
  )
  return {
    lines,
    send: async (address: string, user: string, password: string, headers = {}) =>
      app.request('/produce', {
        method: 'POST',
        headers: {
          'x-test-address': address,
          authorization: `Basic ${btoa(`${user}:${password}`)}`,
          ...headers,
        },
      }),
  }
}

test('an address that guesses passwords gets a 429, and right credentials pass from there all the same', async () => {
  const { send } = createGateway()
  const guesses = Array.from({ length: LIMITS.gatewayWrongPasswordsPerMinute + 5 }, (_, i) => i)
  const statuses: number[] = []
  for (const i of guesses) statuses.push((await send('203.0.113.7', 'fra', `guess ${i}`)).status)
  expect(statuses.slice(0, LIMITS.gatewayWrongPasswordsPerMinute)).not.toContain(429)
  const refused = await send('203.0.113.7', 'fra', 'another guess')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10'])
  expect(await refused.json()).toMatchObject({ error: expect.stringMatching(/^TOO_MANY_FAILURES/) })
  // An edge behind the same proxy, whether it was there before or not.
  expect((await send('203.0.113.7', 'fra', 'the right one')).status).toBe(200)
  expect((await send('203.0.113.8', 'fra', 'wrong')).status).toBe(401)
})

test('two addresses of one IPv6 /64 share the limit of wrong passwords, and its neighbour has another', async () => {
  const { send } = createGateway()
  for (let i = 0; i < LIMITS.gatewayWrongPasswordsPerMinute; i++)
    expect((await send(`2001:db8:0:1::${i}`, 'fra', 'wrong')).status).toBe(401)
  expect((await send('2001:db8:0:1:ffff::', 'fra', 'wrong')).status).toBe(429)
  expect((await send('2001:db8:0:2::1', 'fra', 'wrong')).status).toBe(401)
})

test('each kind of denial is a security event with user, address and request id, and without secrets', async () => {
  const { send, lines } = createGateway()
  await send('203.0.113.7', 'fra', 'hushhush', { 'x-request-id': 'req-1' })
  await send('203.0.113.7', 'hushhush', 'hushhush')
  await send('203.0.113.7', 'bi', 'another one', { 'x-request-id': 'bad id\t' })
  const event = { outcome: 'denied', address: '203.0.113.7' }
  expect(lines).toEqual([
    {
      ...event,
      name: 'credentials-refused',
      actor: 'fra',
      requestId: 'req-1',
      detail: 'CREDENTIALS_UNKNOWN',
    },
    { ...event, name: 'credentials-refused', detail: 'CREDENTIALS_UNKNOWN' },
    { ...event, name: 'access-denied', actor: 'bi', detail: 'SCOPE_MISSING' },
  ])
})
