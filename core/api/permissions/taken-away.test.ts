import { CloseCode, createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createKey } from '../../identity/api-keys.ts'
import { inviteMember } from '../../identity/people/invitations.ts'
import { type ChangedBy, changeRole, removeMember } from '../../identity/people/members.ts'
import { setOperator } from '../../identity/people/people.ts'
import { endSessionsOf } from '../../identity/sessions.ts'
import { createQueryFixture, type QueryFixture, type SignedIn } from '../graphql/testing/fixture.ts'
import { createGraphQLSockets } from '../graphql-ws/sockets.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Served, serveApp } from '../http/serve.ts'

/** In place of the fifteen seconds of core. */
const RECHECK_MS = 300
const OPERATOR: ChangedBy = { actor: { kind: 'cli' }, isOperator: true }
const LIVE = 'subscription { live(tenant: "default") { at } }'

let fixture: QueryFixture
let core: Served
let tenantId: number
beforeAll(async () => {
  fixture = await createQueryFixture(undefined, undefined, RECHECK_MS)
  const { db, log, graphql, live } = fixture
  const app = createCoreApp({
    ...{ db, log, logger: { error() {} }, metrics: createMetrics({ db, log }) },
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  const sockets = createGraphQLSockets({ graphql, live, recheckMs: RECHECK_MS })
  core = await serveApp(app, { port: 0, sockets })
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', 'default')
    .executeTakeFirstOrThrow()
  tenantId = row.tenant_id
  await fixture.person({ default: 'OWNER' })
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
})

const remove = ({ personId }: SignedIn) =>
  removeMember(fixture.db, { tenantId, personId, by: OPERATOR })

/** The code with which the stream ends. */
async function codeOfEnd({ headers }: SignedIn, takeAway: () => Promise<unknown>) {
  const response = await fixture.graphql.fetch(
    new Request('http://localhost/graphql', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query: LIVE }),
    }),
  )
  let text = ''
  let isTaken = false
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString()
    if (isTaken || !text.includes('"at"')) continue
    isTaken = true
    await takeAway()
  }
  return /"code":"([A-Z_]+)"/.exec(text)?.[1]
}

describe('a stream over SSE ends', () => {
  test('once its person is removed', async () => {
    const someone = await fixture.person({ default: 'VIEWER', other: 'OWNER' })
    expect(await codeOfEnd(someone, () => remove(someone))).toBe('FORBIDDEN')
  })

  test('once the sessions of its person are ended', async () => {
    const someone = await fixture.person({ default: 'VIEWER' })
    const end = () => endSessionsOf(fixture.db, someone.personId)
    expect(await codeOfEnd(someone, end)).toBe('UNAUTHENTICATED')
  })

  test('once its person is the operator no longer', async () => {
    const someone = await fixture.person({})
    const set = (isOperator: boolean) =>
      setOperator(fixture.db, someone.personId, { isOperator, by: { kind: 'cli' } })
    await set(true)
    expect(await codeOfEnd(someone, () => set(false))).toBe('FORBIDDEN')
  })
})

describe('a WebSocket', () => {
  const connect = ({ headers }: SignedIn) => {
    const closed = Promise.withResolvers<{ code: number }>()
    class WithCookie extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { headers })
      }
    }
    const client = createClient({
      url: `${core.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WithCookie,
      retryAttempts: 0,
      lazy: false,
      on: { closed: (event) => closed.resolve(event as { code: number }) },
      onNonLazyError() {},
    })
    const first = async (query: string) => {
      for await (const result of client.iterate({ query })) return result
      return undefined
    }
    return { client, first, closed: closed.promise }
  }

  test('of a session that is ended closes', async () => {
    const someone = await fixture.person({ default: 'VIEWER' })
    const { first, closed } = connect(someone)
    expect((await first('{ viewer { kind } }'))?.data).toEqual({ viewer: { kind: 'PERSON' } })
    await endSessionsOf(fixture.db, someone.personId)
    expect((await closed).code).toBe(CloseCode.Unauthorized)
  })

  test('executes each operation with the role of that moment, and ends what it no longer allows', async () => {
    const someone = await fixture.person({ default: 'EDITOR' })
    const { client, first } = connect(someone)
    const deadLetters = '{ deadLetters(tenant: "default") { edges { node { id } } } }'
    expect((await first(deadLetters))?.errors).toBeUndefined()
    const change = { tenantId, personId: someone.personId, by: OPERATOR }
    await changeRole(fixture.db, { ...change, role: 'VIEWER' })
    expect((await first(deadLetters))?.errors?.[0]?.extensions?.code).toBe('FORBIDDEN')

    const updates = client.iterate({ query: LIVE })
    expect((await updates.next()).value.data.live.at).toBeDefined()
    await remove(someone)
    const end = async () => {
      for (;;) await updates.next()
    }
    await expect(end()).rejects.toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    await client.dispose()
  })
})

test('what belongs to another tenant is as what does not exist', async () => {
  const { db } = fixture
  const theirs = await fixture.person({ default: 'VIEWER' })
  const { keyId } = await createKey(db, { tenant: 'default', name: 'k', scopes: ['read'] })
  const owner = (await fixture.person({ other: 'OWNER' })).headers
  const { invitation } = await inviteMember(db, {
    ...{ tenantId, email: 'a@b.example', role: 'VIEWER', by: OPERATOR },
  })
  await fixture.store('default', [{ id: 'theirs' }])
  const { rows } = await fixture.database.pool.query(
    'SELECT session_id FROM session WHERE person_id = $1',
    [theirs.personId],
  )
  const uuid = '0192a1b2-0000-7000-8000-000000000001'
  const objects: [existing: string, missing: string, document: (id: string) => string][] = [
    ['theirs', 'none', (id) => `{ event(id: "${id}") { id } }`],
    [keyId, uuid, (id) => `{ apiKeyUse(id: "${id}") { client } }`],
    [keyId, uuid, (id) => `mutation { revokeApiKey(id: "${id}") { id } }`],
    [keyId, uuid, (id) => `mutation { rotateApiKey(id: "${id}", version: 1) { secret } }`],
    [
      keyId,
      uuid,
      (id) => `mutation { changeApiKey(id: "${id}", version: 1, changes: {name: "x"}) { id } }`,
    ],
    [invitation.invitationId, uuid, (id) => `mutation { revokeInvitation(id: "${id}") }`],
    [rows[0].session_id, uuid, (id) => `mutation { endSession(id: "${id}") }`],
    [String(theirs.personId), '999999', (id) => `mutation { removeMember(person: "${id}") }`],
    [
      String(theirs.personId),
      '999999',
      (id) => `mutation { changeRole(person: "${id}", role: VIEWER, version: 1) { role } }`,
    ],
  ]
  for (const [existing, missing, document] of objects) {
    const [found, none] = [
      await fixture.execute(document(existing), owner),
      await fixture.execute(document(missing), owner),
    ]
    expect(none.errors?.[0]?.extensions.code ?? 'null', document(existing)).toMatch(
      /_NOT_FOUND$|^null$/,
    )
    const bodyOf = ({ status, data, errors }: typeof found) => [status, data, errors]
    expect(bodyOf(found), document(existing)).toEqual(bodyOf(none))
  }
  expect((await fixture.execute('{ sessions { id } }', theirs.headers)).data.sessions).toHaveLength(
    1,
  )
})

test.each([
  ['14 minutes 50 seconds', undefined],
  ['15 minutes 1 second', 'SIGN_IN_AGAIN'],
])('a person who signed in %s ago changes roles: %s', async (ago, code) => {
  const { headers, personId } = await fixture.person({ default: 'OWNER' })
  await fixture.database.pool.query(
    'UPDATE session SET authenticated_at = authenticated_at - $2::interval WHERE person_id = $1',
    [personId, ago],
  )
  const someone = await fixture.person({ default: 'VIEWER' })
  const changed = await fixture.execute(
    `mutation { changeRole(person: "${someone.personId}", role: EDITOR, version: 1) { role } }`,
    headers,
  )
  expect(changed.errors?.[0]?.extensions.code).toBe(code)
})

test('a page of another origin changes nothing in the name of who is signed in', async () => {
  const { headers } = await fixture.person({ default: 'OWNER' })
  const mutation = 'mutation { endAllSessions(includingThis: true) }'
  const sent: Record<string, string>[] = [
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'https://evil.example' },
  ]
  for (const each of sent) {
    const response = await fixture.execute(mutation, { ...headers, ...each })
    expect([response.status, response.errors?.[0]?.extensions.code]).toEqual([
      403,
      'CROSS_SITE_REFUSED',
    ])
  }
  const byUrl = await fixture.graphql.fetch(
    new Request(`http://localhost/graphql?query=${encodeURIComponent(mutation)}`, {
      headers: { ...headers, 'x-graphql-yoga-csrf': '1' },
    }),
  )
  expect(byUrl.status).toBe(405)
  expect((await fixture.execute(mutation, headers)).data).toEqual({ endAllSessions: 1 })
  expect((await fixture.execute('{ viewer { kind } }', headers)).status).toBe(401)
})
