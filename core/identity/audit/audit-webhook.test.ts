import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createDenialAudit, DENIALS_PER_MINUTE } from './audit-denials.ts'
import { recordAudit } from './audit-log.ts'
import { checkWebhookUrl, startAuditWebhook } from './audit-webhook.ts'
import { verifyAudit } from './verify-audit.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { role: 'sluice_write' })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const record = (tenantId: number, object: string, count = 1) =>
  db.transaction().execute(async (tx) => {
    for (let i = 0; i < count; i++)
      await recordAudit(tx, { kind: 'cli' }, { tenantId, action: 'key.created', object })
  })

/** A receiver that responds with these statuses, the last one again and again. */
async function receiver(statuses: number[], headers = {}) {
  const lines: { tenant_id: number; sequence: number; object: string; hash: string }[] = []
  let requests = 0
  const server = createServer(async (request, response) => {
    requests++
    let body = ''
    for await (const chunk of request) body += chunk
    const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) as number
    if (status === 200) for (const line of body.trimEnd().split('\n')) lines.push(JSON.parse(line))
    response.writeHead(status, headers).end('a long response')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`
  return { url, lines, requests: () => requests }
}

const quiet = { warn(_: object) {}, info() {} }
function start(url: string, logger = quiet) {
  const webhook = startAuditWebhook({ db, url, logger, pollMs: 20 })
  onTestFinished(() => webhook.close())
  return webhook
}

test('every entry is sent once its receiver takes it, in the order of each chain, and not again after a restart', async () => {
  await record(1, 'key 1', 205)
  await record(2, 'key 2', 3)
  const warnings: object[] = []
  const { url, lines } = await receiver([500, 200])
  const webhook = start(url, { ...quiet, warn: (fields: object) => warnings.push(fields) })
  await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(208)
  expect(warnings).toEqual([{ error: 'status 500' }])
  for (const [tenant, length] of [
    [1, 205],
    [2, 3],
  ])
    expect(
      lines.filter(({ tenant_id }) => tenant_id === tenant).map(({ sequence }) => sequence),
    ).toEqual(Array.from({ length: length as number }, (_, i) => i + 1))
  // A delivery that is cut off before its response is sent again.
  const delivered = async () =>
    (await database.pool.query('SELECT sum(sequence)::int AS sequence FROM audit_delivery')).rows[0]
      .sequence
  await expect.poll(delivered).toBe(208)
  await webhook.close()
  await record(1, 'key later')
  start(url)
  await expect.poll(() => lines.length).toBe(209)
  expect(lines.at(-1)).toMatchObject({ object: 'key later', sequence: 206 })
})

test('a receiver that never responds holds up no change', async () => {
  const server = createServer(() => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const connected = new Promise((resolve) => server.once('request', resolve))
  await record(3, 'key 1')
  start(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  await connected
  const began = performance.now()
  for (let i = 0; i < 5; i++) await record(3, `key ${i}`)
  expect(performance.now() - began).toBeLessThan(2_000)
}, 15_000)

test('a redirect is not followed', async () => {
  const target = await receiver([200])
  const { url, requests } = await receiver([307], { location: target.url })
  await record(4, 'key 1')
  start(url)
  await expect.poll(requests).toBeGreaterThan(0)
  expect(target.requests()).toBe(0)
})

test.each([
  ['https://siem.example/hook?token=x', true],
  ['http://127.0.0.1:8088/hook', true],
  ['http://[::1]:8088/', true],
  ['http://localhost/', true],
  ['http://siem.example/hook', false],
  ['http://127.0.0.1.example/', false],
  ['http://10.0.0.1/', false],
  ['https://user:secret@siem.example/', false],
  ['ftp://127.0.0.1/', false],
  ['siem.example', false],
])('the webhook may be %s: %s', (url, isAllowed) => {
  expect(checkWebhookUrl(url) === undefined).toBe(isAllowed)
})

test('denials are written for the tenant of their key, and of a flood the first ones', async () => {
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('shop')")
  const warnings: object[] = []
  const denials = createDenialAudit(db, { warn: (fields: object) => warnings.push(fields) })
  const event = { name: 'access-denied', outcome: 'denied', detail: 'FORBIDDEN' } as const
  denials.record({
    ...event,
    actor: 'key 0192',
    tenant: 'shop',
    address: '192.0.2.7',
    requestId: 'r',
  })
  for (let i = 0; i < 2 * DENIALS_PER_MINUTE.anonymous; i++)
    denials.record({ name: 'credentials-refused', outcome: 'denied', detail: 'UNAUTHENTICATED' })
  await denials.close()
  const { rows } = await database.pool.query(
    `SELECT slug, actor_kind, actor, object, after, address, request_id, count(*)::int FROM audit_log
       LEFT JOIN tenant USING (tenant_id) WHERE action = 'access.denied' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY slug, object`,
  )
  expect(rows).toEqual([
    {
      ...{ slug: 'shop', actor_kind: 'key', actor: '0192', object: 'request FORBIDDEN', count: 1 },
      ...{ after: { name: 'access-denied', credential: 'key 0192' }, address: '192.0.2.7' },
      request_id: 'r',
    },
    {
      ...{ slug: null, actor_kind: 'system', actor: 'system', object: 'request UNAUTHENTICATED' },
      ...{ after: { name: 'credentials-refused' }, address: null, request_id: null },
      count: DENIALS_PER_MINUTE.anonymous,
    },
    {
      ...{ slug: null, actor_kind: 'system', actor: 'system', address: null, request_id: null },
      ...{ object: 'requests without an entry of their own', count: 1 },
      after: { anonymous: DENIALS_PER_MINUTE.anonymous, authenticated: 0 },
    },
  ])
  expect(warnings).toEqual([])
  expect(await verifyAudit(db, 0)).toMatchObject({
    ok: true,
    entries: DENIALS_PER_MINUTE.anonymous + 1,
  })
})

/** Other tests here write for ids without a tenant. */
const createTenantOfItsOwn = (id: number, slug: string) =>
  database.pool.query(
    'INSERT INTO tenant (tenant_id, slug) OVERRIDING SYSTEM VALUE VALUES ($1, $2)',
    [id, slug],
  )

test('a denial of a person or the operator names them, in the chain of the tenant where it was', async () => {
  const { rows: people } = await database.pool.query(
    "INSERT INTO person (issuer, subject, name) VALUES ('i', 's', 'Ada') RETURNING person_id AS id",
  )
  await createTenantOfItsOwn(71, 'people')
  const denials = createDenialAudit(db, quiet)
  const event = { name: 'access-denied', outcome: 'denied', tenant: 'people' } as const
  for (const actor of [`person ${people[0].id}`, 'session 0123456789ab', 'provider x'])
    denials.record({ ...event, actor })
  await denials.close()
  const { rows } = await database.pool.query(
    `SELECT actor_kind, actor, actor_name FROM audit_log JOIN tenant USING (tenant_id)
      WHERE slug = 'people' ORDER BY sequence`,
  )
  expect(rows).toEqual([
    { actor_kind: 'person', actor: String(people[0].id), actor_name: 'Ada' },
    { actor_kind: 'operator', actor: 'operator', actor_name: null },
    { actor_kind: 'system', actor: 'system', actor_name: null },
  ])
})

test('a flood of strangers or of one key keeps out no entry of another key, and is counted once a minute', async () => {
  await createTenantOfItsOwn(72, 'flood')
  const denials = createDenialAudit(db, quiet, { summaryMs: 200 })
  const event = { name: 'access-denied', outcome: 'denied', tenant: 'flood' } as const
  const { anonymous, each } = DENIALS_PER_MINUTE
  for (let i = 0; i < 500; i++) denials.record({ ...event, address: `192.0.2.${i % 250}` })
  for (let i = 0; i < each + 7; i++) denials.record({ ...event, actor: 'key a' })
  denials.record({ ...event, actor: 'key b' })
  denials.record({ ...event, actor: 'person 4711' })
  const entries = async () =>
    (
      await database.pool.query(
        `SELECT actor, count(*)::int FROM audit_log JOIN tenant USING (tenant_id)
          WHERE slug = 'flood' GROUP BY 1 ORDER BY 1`,
      )
    ).rows
  const expected = [
    { actor: '4711', count: 1 },
    { actor: 'a', count: each },
    { actor: 'b', count: 1 },
    { actor: 'system', count: anonymous },
  ]
  await expect.poll(entries, { timeout: 5_000 }).toEqual(expected)
  const summaries = async () =>
    (
      await database.pool.query(
        `SELECT after FROM audit_log WHERE tenant_id = 0 AND object LIKE 'requests without%'
            AND (after->>'authenticated')::int > 0`,
      )
    ).rows
  const summary = { after: { anonymous: 500 - anonymous, authenticated: 7 } }
  await expect.poll(summaries, { timeout: 5_000 }).toEqual([summary])
  await denials.close()
  expect(await summaries()).toEqual([summary])
})

test('of denials that come faster than they are written a hundred wait, and the others are counted', async () => {
  await createTenantOfItsOwn(73, 'burst')
  const denials = createDenialAudit(db, quiet)
  const event = { name: 'access-denied', outcome: 'denied', tenant: 'burst' } as const
  for (let i = 0; i < 103; i++) denials.record({ ...event, actor: `key burst-${i}` })
  await denials.close()
  const { rows } = await database.pool.query(
    `SELECT (SELECT count(*)::int FROM audit_log WHERE tenant_id = 73) AS written,
            (SELECT after FROM audit_log WHERE tenant_id = 0 AND object LIKE 'requests without%'
              ORDER BY sequence DESC LIMIT 1) AS counted`,
  )
  expect(rows).toEqual([{ written: 100, counted: { anonymous: 0, authenticated: 3 } }])
})
