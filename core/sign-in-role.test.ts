import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { createLifecycle } from './lifecycle.ts'
import { createLogger } from './logger.ts'
import { startRoles } from './roles.ts'
import { readSignIn } from './sign-in-config.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database?.drop())

const CLIENT = { SLUICE_OIDC_WORK_CLIENT_ID: 'sluice', SLUICE_OIDC_WORK_CLIENT_SECRET: 'secret' }
const ISSUER = 'https://idp.example.com'

async function start(env: Record<string, string>, port = 0) {
  const lifecycle = createLifecycle()
  const { served } = await startRoles({
    roles: ['api'],
    databaseUrl: database.url,
    log: { kind: 'postgres' },
    gatewayUsers: [],
    host: '127.0.0.1',
    port,
    dashboardFolder: '/nowhere',
    retentionDays: undefined,
    signIn: readSignIn(env),
    logger: createLogger('error', 2),
    lifecycle,
  })
  return { url: served?.url as string, stop: () => lifecycle.stop() }
}

test('core shows the configured ways to sign in, refuses the others, and takes the rights of former operators', async () => {
  await database.pool.query(`
    INSERT INTO person (issuer, subject, name, is_operator) VALUES ('${ISSUER}', 'ada', 'Ada', true), ('${ISSUER}', 'bob', 'Bob', true);
    INSERT INTO operator_binding (issuer, email_sha256, person_id)
    SELECT issuer, sha256((subject || '@example.com')::bytea), person_id FROM person`)
  const core = await start({
    ...{ SLUICE_OIDC_WORK_ISSUER: ISSUER, SLUICE_OIDC_WORK_NAME: 'The <team>', ...CLIENT },
    ...{ SLUICE_OPERATORS: 'work:ada@example.com', SLUICE_SIGN_IN_LINKS: 'false' },
  })
  const operators = await database.pool.query('SELECT subject FROM person WHERE is_operator')
  expect(operators.rows).toEqual([{ subject: 'ada' }])

  const methods = await fetch(`${core.url}/v1/sign-in/methods`)
  expect(await methods.json()).toEqual({
    ...{ link: false, passkey: false },
    providers: [{ id: 'work', name: 'The <team>' }],
  })
  const page = await (await fetch(`${core.url}/login`)).text()
  expect(page).toContain('Continue with The &lt;team&gt;')
  expect(page).not.toContain('Use a passkey')
  const post = async (path: string, body: object) => {
    const response = await fetch(core.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1' },
      body: JSON.stringify(body),
    })
    return ((await response.json()) as { code: string }).code
  }
  const token = 'x'.repeat(43)
  expect(await post('/login', { token })).toBe('SIGN_IN_LINKS_OFF')
  expect(await post('/login/passkey/options', {})).toBe('PASSKEYS_NOT_AVAILABLE')
  expect(await post('/invitation/accept/passkey/options', { token })).toBe('PASSKEYS_NOT_AVAILABLE')
  await core.stop()
})
