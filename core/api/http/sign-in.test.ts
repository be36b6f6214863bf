import { expect, test } from 'vitest'
import type { Database } from '../../db/database.ts'
import { SIGN_INS_PER_MINUTE } from './sign-in/guard.ts'
import { signIn } from './sign-in.ts'

/** A sign-in of whom the database is never asked, because no token has the form of one. */
function createSignIn(mayGoOn: (clientId: string) => boolean) {
  const counted: string[] = []
  const app = signIn({
    db: undefined as unknown as Database,
    secure: false,
    sharedAttempts: {
      async take(clientId) {
        counted.push(clientId)
        return mayGoOn(clientId)
      },
    },
  })
  const attempt = async (address: string, headers: Record<string, string> = {}) => {
    const response = await app.request(
      'http://localhost/login',
      { method: 'POST', headers: { 'x-sluice-sign-in': '1', ...headers }, body: '{"token":"x"}' },
      { incoming: { socket: { remoteAddress: address } } },
    )
    return [response.status, response.headers.get('retry-after')]
  }
  return { counted, attempt }
}

test.each([
  ['203.0.113.1', '::ffff:203.0.113.1', '203.0.113.1'],
  ['2001:db8:0:7::1', '2001:db8::7:ffff:0:0:1', '2001:db8:0:7'],
])('all cores count the attempts of %s and %s as those of one client', async (a, b, client) => {
  const { counted, attempt } = createSignIn((clientId) => clientId !== client)
  expect(await attempt('198.51.100.1')).toEqual([401, null])
  for (const address of [a, b]) expect(await attempt(address)).toEqual([429, '2'])
  expect(counted).toEqual(['198.51.100.1', client, client])
})

test('a client over the limit of this core, and one of another site, are not counted by all cores', async () => {
  const { counted, attempt } = createSignIn(() => true)
  for (let i = 0; i < SIGN_INS_PER_MINUTE; i++) await attempt('203.0.113.1')
  expect(await attempt('203.0.113.1')).toEqual([429, '2'])
  expect(await attempt('203.0.113.2', { 'sec-fetch-site': 'cross-site' })).toEqual([403, null])
  expect(counted).toHaveLength(SIGN_INS_PER_MINUTE)
})
