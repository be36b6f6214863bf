import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../../../contract/api-key.ts'
import { createKey, WORKING_KEYS_MAX } from '../../../identity/api-keys.ts'
import { verifyAudit } from '../../../identity/audit/verify-audit.ts'
import { findKey } from '../../../identity/key-directory.ts'
import { findOrCreatePerson } from '../../../identity/people/people.ts'
import type { Role } from '../../../identity/roles.ts'
import { beginSession } from '../../../identity/sessions.ts'
import type { SecurityEvent } from '../../../lib/security-log.ts'
import { createGraphQL } from '../server.ts'
import { createQueryFixture, type QueryFixture, type QueryResponse } from '../testing/fixture.ts'

let fixture: QueryFixture
let operator: Record<string, string>
let admin: Record<string, string>
let theirs: string
beforeAll(async () => {
  fixture = await createQueryFixture(['default', 'other', 'full'])
  operator = await fixture.session()
  admin = await member('default', 'ADMIN')
  theirs = (await createKey(fixture.db, { tenant: 'other', name: 'theirs', scopes: ['read'] }))
    .keyId
})
afterAll(() => fixture.close())

async function member(tenant: string, role: Role): Promise<Record<string, string>> {
  const subject = randomUUID()
  const person = await findOrCreatePerson(fixture.db, { issuer: 'test', subject, name: 'Ada' })
  await fixture.database.pool.query(
    `INSERT INTO membership (tenant_id, person_id, role)
     SELECT tenant_id, $2, $3 FROM tenant WHERE slug = $1`,
    [tenant, person.personId, role],
  )
  const token = await beginSession(fixture.db, {
    personId: person.personId,
    method: 'oidc',
    device: 'test',
    address: '192.0.2.1',
  })
  return { cookie: `sluice_session=${token}` }
}

const KEY = 'id name kind scopes state version allowedEvents allowedProperties expiresAt replacedBy'
const codeOf = ({ errors }: QueryResponse) => errors?.[0]?.extensions.code
const create = (input: string, headers = admin) =>
  fixture.execute(`mutation { createApiKey(input: ${input}) { secret key { ${KEY} } } }`, headers)
const newKey = async () =>
  (await create('{name: "k", scopes: [INGEST], kind: PUBLIC}')).data.createApiKey.key
const change = (id: string, version: number, changes: string, headers = admin) =>
  fixture.execute(
    `mutation { changeApiKey(id: "${id}", version: ${version}, changes: ${changes}) { ${KEY} } }`,
    headers,
  )
const entries = async (id: string) =>
  (
    await fixture.execute(
      `{ auditLog(first: 10, oldestFirst: true, action: "key.") { edges { node { actorKind actorName action object before after requestId } } } }`,
      admin,
    )
  ).data.auditLog.edges
    .map(({ node }: { node: { object: string } }) => node)
    .filter(({ object }: { object: string }) => object === `key ${id}`)

describe('API keys over GraphQL', () => {
  test('a key that is created works, shows its secret once, and can be changed by its version', async () => {
    const { data } = await create(
      '{name: "page", scopes: [INGEST], kind: PUBLIC, allowedEvents: ["page_view"], origins: ["https://Shop.example"]}',
    )
    const { secret, key } = data.createApiKey
    expect(key).toMatchObject({ name: 'page', kind: 'PUBLIC', state: 'ACTIVE', version: 1 })
    const known = await findKey(fixture.db, await sha256Hex(secret))
    expect(known?.record).toMatchObject({
      key_id: key.id,
      tenant: 'default',
      origins: ['https://shop.example'],
      allowed_events: ['page_view'],
      allowed_properties: null,
    })
    const changed = await change(key.id, 1, '{allowedEvents: null, allowedProperties: ["page"]}')
    expect(changed.data.changeApiKey).toMatchObject({
      version: 2,
      name: 'page',
      allowedEvents: null,
      allowedProperties: ['page'],
    })
    const listed = await fixture.execute(`{ apiKeys { ${KEY} } }`, admin)
    expect(listed.data.apiKeys).toContainEqual(changed.data.changeApiKey)
    expect(JSON.stringify(listed)).not.toContain(secret)
    expect(await entries(key.id)).toMatchObject([
      { actorKind: 'PERSON', actorName: 'Ada', action: 'key.created', before: null },
      {
        action: 'key.changed',
        before: { allowedEvents: ['page_view'], allowedProperties: null },
        after: { allowedEvents: null, allowedProperties: ['page'] },
      },
    ])
  })

  test('a change of an outdated version is refused and changes nothing', async () => {
    const { id } = await newKey()
    expect((await change(id, 1, '{name: "first"}')).data.changeApiKey.version).toBe(2)
    const late = await change(id, 1, '{name: "second"}')
    expect([codeOf(late), late.errors?.[0]?.extensions.version]).toEqual(['VERSION_CONFLICT', 2])
    const { data } = await fixture.execute('{ apiKeys { id name } }', admin)
    expect(data.apiKeys).toContainEqual({ id, name: 'first' })
  })

  test('a key that is rotated names its replacement and works on for the overlap', async () => {
    const { id } = await newKey()
    await change(id, 1, '{allowedEvents: ["a"]}')
    const rotate = (version: number) =>
      fixture.execute(
        `mutation { rotateApiKey(id: "${id}", version: ${version}, overlapHours: 2) { secret key { ${KEY} } replaced { ${KEY} } } }`,
        admin,
      )
    expect(codeOf(await rotate(1))).toBe('VERSION_CONFLICT')
    const { key, replaced, secret } = (await rotate(2)).data.rotateApiKey
    expect(replaced).toMatchObject({ id, replacedBy: key.id, version: 3, state: 'ACTIVE' })
    expect(Math.round((Date.parse(replaced.expiresAt) - Date.now()) / 60_000)).toBe(120)
    expect(key).toMatchObject({ allowedEvents: ['a'], expiresAt: null, version: 1 })
    expect((await findKey(fixture.db, await sha256Hex(secret)))?.record.key_id).toBe(key.id)
    expect(codeOf(await rotate(3))).toBe('KEY_NOT_ACTIVE')
  })

  test('a key that is revoked stays revoked, and cannot be changed', async () => {
    const { id } = await newKey()
    const revoke = (args = '') =>
      fixture.execute(`mutation { revokeApiKey(id: "${id}"${args}) { state version } }`, admin)
    expect(codeOf(await revoke(', version: 7'))).toBe('VERSION_CONFLICT')
    expect((await revoke()).data.revokeApiKey).toEqual({ state: 'REVOKED', version: 2 })
    expect((await revoke()).data.revokeApiKey).toEqual({ state: 'REVOKED', version: 2 })
    expect(codeOf(await change(id, 2, '{name: "x"}'))).toBe('KEY_NOT_ACTIVE')
    expect((await entries(id)).map(({ action }: { action: string }) => action)).toEqual([
      'key.created',
      'key.revoked',
    ])
  })

  test('invalid settings are refused by the name of their argument', async () => {
    const cases: [string, string][] = [
      ['{name: "k", scopes: []}', 'scopes'],
      ['{name: "k", scopes: [READ], kind: PUBLIC}', 'scopes'],
      ['{name: " ", scopes: [READ]}', 'name'],
      ['{name: "a\\nb", scopes: [READ]}', 'name'],
      ['{name: "k", scopes: [READ], origins: ["ftp://x"]}', 'origins'],
      ['{name: "k", scopes: [READ], eventsPerMinute: 0}', 'eventsPerMinute'],
      ['{name: "k", scopes: [READ], expiresAt: "2020-01-01T00:00:00Z"}', 'expiresAt'],
      ['{name: "k", scopes: [INGEST], allowedEvents: ["a"]}', 'allowedEvents'],
      ['{name: "k", scopes: [INGEST], kind: PUBLIC, allowedProperties: [""]}', 'allowedProperties'],
    ]
    for (const [input, argument] of cases) {
      const response = await create(input)
      expect([input, codeOf(response), response.errors?.[0]?.extensions.argument]).toEqual([
        input,
        'BAD_USER_INPUT',
        argument,
      ])
    }
    const { id } = await newKey()
    expect(codeOf(await change(id, 1, '{}'))).toBe('BAD_USER_INPUT')
  })

  test('a tenant has a limited number of keys that work, revoked ones aside', async () => {
    await fixture.database.pool.query(
      `INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes)
       SELECT tenant_id, 'k', 'slc_sec_', sha256(i::text::bytea), '{read}'
         FROM tenant, generate_series(1, $1) i WHERE slug = 'full'`,
      [WORKING_KEYS_MAX],
    )
    const one = () =>
      fixture.execute(
        'mutation { createApiKey(tenant: "full", input: {name: "k", scopes: [READ]}) { secret } }',
        operator,
      )
    expect(codeOf(await one())).toBe('KEY_LIMIT_REACHED')
    await fixture.database.pool.query(
      "UPDATE api_key SET revoked_at = now() WHERE key_sha256 = sha256('1'::bytea)",
    )
    expect((await one()).errors).toBeUndefined()
    expect(codeOf(await one())).toBe('KEY_LIMIT_REACHED')
  })
})

describe('who may manage API keys', () => {
  const mutations = (id: string) => [
    'createApiKey(input: {name: "k", scopes: [READ]}) { secret }',
    `changeApiKey(id: "${id}", version: 1, changes: {name: "x"}) { id }`,
    `rotateApiKey(id: "${id}", version: 1) { secret }`,
    `revokeApiKey(id: "${id}") { id }`,
  ]

  test('an editor may list keys and change none, and a viewer and any API key may do neither', async () => {
    const { id } = await newKey()
    const adm = await createKey(fixture.db, { tenant: 'default', name: 'adm', scopes: ['admin'] })
    const senders: [Record<string, string>, boolean][] = [
      [await member('default', 'EDITOR'), true],
      [await member('default', 'VIEWER'), false],
      [{ authorization: `Bearer ${adm.key}` }, false],
      [await fixture.keyOf('default'), false],
    ]
    for (const [headers, mayList] of senders) {
      for (const mutation of mutations(id))
        expect(codeOf(await fixture.execute(`mutation { ${mutation} }`, headers))).toBe('FORBIDDEN')
      for (const query of ['apiKeys { id }', `apiKeyUse(id: "${id}") { client }`])
        expect(codeOf(await fixture.execute(`{ ${query} }`, headers))).toBe(
          mayList ? undefined : 'FORBIDDEN',
        )
      for (const query of ['auditLog { edges { cursor } }', 'auditHead { hash }'])
        expect(codeOf(await fixture.execute(`{ ${query} }`, headers))).toBe('FORBIDDEN')
    }
  })

  test('a key of another tenant is as one that does not exist', async () => {
    for (const id of [theirs, randomUUID(), 'x', 'theirs']) {
      for (const mutation of mutations(id).slice(1)) {
        const response = await fixture.execute(`mutation { ${mutation} }`, admin)
        expect([id, codeOf(response)]).toEqual([id, 'KEY_NOT_FOUND'])
      }
      const use = await fixture.execute(`{ apiKeyUse(id: "${id}") { client } }`, admin)
      expect([id, codeOf(use)]).toEqual([id, 'KEY_NOT_FOUND'])
    }
    const named = await fixture.execute('{ apiKeys(tenant: "other") { id } }', admin)
    const none = await fixture.execute('{ apiKeys(tenant: "nobody") { id } }', admin)
    expect(named.errors?.[0]?.message.replace('other', '')).toBe(
      none.errors?.[0]?.message.replace('nobody', ''),
    )
  })

  test('keys change only within minutes of a sign-in', async () => {
    const old = await member('default', 'OWNER')
    await fixture.database.pool.query(
      "UPDATE session SET authenticated_at = now() - interval '16 minutes' WHERE token_sha256 = sha256($1::bytea)",
      [old.cookie?.split('=')[1]],
    )
    const { id } = await newKey()
    for (const mutation of mutations(id))
      expect(codeOf(await fixture.execute(`mutation { ${mutation} }`, old))).toBe('SIGN_IN_AGAIN')
    expect((await fixture.execute('{ apiKeys { id } }', old)).errors).toBeUndefined()
  })

  test('a tenant changes its keys 60 times a minute at most', async () => {
    const owner = await member('other', 'OWNER')
    const codes = new Set<unknown>()
    // A place becomes free each second.
    for (let i = 0; i < 80 && codes.size < 2; i++)
      codes.add(
        codeOf(
          await fixture.execute(`mutation { revokeApiKey(id: "${randomUUID()}") { id } }`, owner),
        ),
      )
    expect([...codes]).toEqual(['KEY_NOT_FOUND', 'TOO_MANY_ATTEMPTS'])
  })
})

describe('the audit log over GraphQL', () => {
  test('is paged newest first or oldest first, and its head verifies the chain', async () => {
    const page = (args: string) =>
      fixture.execute(
        `{ auditLog(${args}) { edges { node { sequence previousHash hash } } pageInfo { hasNextPage endCursor } } auditHead { sequence hash } }`,
        admin,
      )
    const [newest, oldest] = [await page('first: 2'), await page('first: 2, oldestFirst: true')]
    const { auditHead: head } = newest.data
    expect(newest.data.auditLog.edges[0].node).toMatchObject(head)
    expect(oldest.data.auditLog.edges[0].node).toMatchObject({
      sequence: 1,
      previousHash: '0'.repeat(64),
    })
    const { endCursor } = newest.data.auditLog.pageInfo
    const next = await page(`first: 1, after: "${endCursor}"`)
    expect(next.data.auditLog.edges[0].node.hash).toBe(
      newest.data.auditLog.edges[1].node.previousHash,
    )
    expect(await verifyAudit(fixture.db, 1, { head })).toMatchObject({ ok: true, head })
    expect(codeOf(await page('first: 201'))).toBe('BAD_USER_INPUT')
    expect(codeOf(await page('first: 1, after: "x"'))).toBe('BAD_USER_INPUT')
  })

  test('of the system as a whole is shown to the operator only', async () => {
    const query = '{ systemAuditLog { edges { cursor } } systemAuditHead { hash } }'
    expect((await fixture.execute(query, operator)).errors).toBeUndefined()
    for (const headers of [admin, await member('default', 'OWNER')])
      expect(codeOf(await fixture.execute(query, headers))).toBe('FORBIDDEN')
  })
})

test('who created, changed, rotated or revoked a key is in the security log, and what was refused is not', async () => {
  const { db, live, log } = fixture
  const events: SecurityEvent[] = []
  const securityLog = { record: (event: SecurityEvent) => void events.push(event), close() {} }
  const graphql = createGraphQL({ db, live, log, securityLog, logger: { error() {} } })
  const { personId, headers } = await fixture.person({ default: 'ADMIN' })
  const send = async (mutation: string) => {
    const request = new Request('http://localhost/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ query: `mutation { ${mutation} }` }),
    })
    return (await graphql.fetch(request, { address: '192.0.2.9', requestId: 'r' })).json()
  }
  const { data } = await send('createApiKey(input: {name: "k", scopes: [INGEST]}) { key { id } }')
  const { id } = data.createApiKey.key
  await send(`changeApiKey(id: "${id}", version: 1, changes: {name: "n"}) { id }`)
  await send(`changeApiKey(id: "${id}", version: 1, changes: {name: "late"}) { id }`)
  await send(`rotateApiKey(id: "${id}", version: 2) { key { id } }`)
  await send(`revokeApiKey(id: "${id}") { id }`)
  const from = {
    ...{ outcome: 'allowed', actor: `person ${personId}`, tenant: 'default' },
    ...{ address: '192.0.2.9', requestId: 'r', detail: `key_id ${id}` },
  }
  expect(events).toEqual(
    ['created', 'changed', 'rotated', 'revoked'].map((what) => ({
      name: `api-key-${what}`,
      ...from,
    })),
  )
})
