import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordAudit } from '../../../identity/audit/audit-log.ts'
import { createTenant } from '../../../identity/tenants.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../../graphql/testing/fixture.ts'
import { handleError } from '../../http/problem.ts'
import { createRestApp } from '../app.ts'

let fixture: QueryFixture
let session: Record<string, string>
let app: Hono
beforeAll(async () => {
  fixture = await createQueryFixture()
  session = { ...(await fixture.session()), 'sec-fetch-site': 'same-origin' }
  app = new Hono().use(requestId())
  app.onError(handleError({ error() {} }))
  app.route(
    '/',
    createRestApp({ graphql: fixture.graphql, checkHealth: async () => ({}), secure: false }),
  )
})
afterAll(() => fixture.close())

async function request(method: string, path: string, body?: unknown, more: object = {}) {
  const response = await app.request(`http://localhost${path}`, {
    method,
    headers: {
      ...session,
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...more,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') && !text.includes('\n')
  const json = isJson && text !== '' ? JSON.parse(text) : undefined
  return { status: response.status, headers: response.headers, text, json }
}

/** The command of the guide that checks an export, which reads it from the standard input here. */
const [, VERIFY_EXPORT = ''] =
  /```sh\n(node --input-type=module[^`]*) < audit.ndjson\n```/.exec(
    readFileSync(new URL('../../../../docs/audit.md', import.meta.url), 'utf8'),
  ) ?? []

const PUBLIC = { name: 'page', kind: 'public', scopes: ['ingest'], allowed_events: ['view'] }

test('a key is created, read with its version, changed by it, rotated and revoked', async () => {
  const created = await request('POST', '/v1/keys', PUBLIC)
  expect([created.status, created.headers.get('cache-control')]).toEqual([201, 'no-store'])
  const { data, secret } = created.json
  expect(secret).toMatch(/^slc_pub_/)
  expect(data).toMatchObject({ ...PUBLIC, state: 'active', version: 1, allowed_properties: null })
  const path = created.headers.get('location') as string

  const read = await request('GET', path)
  expect([read.json.data, read.headers.get('etag')]).toEqual([data, '"1"'])
  const changes = { events_per_minute: 7, allowed_events: null }
  const changed = await request('PATCH', path, changes, { 'If-Match': '"1"' })
  expect(changed.json.data).toEqual({ ...data, ...changes, version: 2 })
  expect(changed.headers.get('etag')).toBe('"2"')
  const stale = await request('PATCH', path, { name: 'late' }, { 'If-Match': '"1"' })
  expect([stale.status, stale.json.code, stale.json.version]).toEqual([409, 'VERSION_CONFLICT', 2])
  const blind = await request('PATCH', path, { name: 'late' })
  expect([blind.status, blind.json.detail]).toEqual([400, 'version is missing, and so is If-Match'])

  const rotated = await request('POST', `${path}/rotate`, { version: 2, overlap_hours: 1 })
  expect(rotated.status).toBe(201)
  expect(rotated.json).toMatchObject({
    data: { name: 'page', events_per_minute: 7, version: 1 },
    secret: expect.stringMatching(/^slc_pub_/),
    replaced: { id: data.id, replaced_by: rotated.json.data.id },
  })
  const revoked = await request('DELETE', path)
  expect([revoked.status, revoked.json.data.state]).toEqual([200, 'revoked'])
  const listed = await request('GET', '/v1/keys')
  expect(listed.json.data.map(({ id }: { id: string }) => id)).toEqual([
    rotated.json.data.id,
    data.id,
  ])
  expect((await request('GET', `${path}/use`)).json.data).toEqual([])
})

test.each<[string, unknown, string, string]>([
  [
    'a member that no key has',
    { ...PUBLIC, tenant: 'other' },
    '/tenant',
    'tenant is not a member of this body',
  ],
  ['a scope that does not exist', { ...PUBLIC, scopes: ['write'] }, '/scopes/0', 'scopes.0 '],
  ['no name', { scopes: ['read'] }, '/name', 'name '],
  ['a list instead of an object', [], '', 'the body '],
])('%s is refused by its pointer', async (_, body, pointer, detail) => {
  const { status, json } = await request('POST', '/v1/keys', body)
  expect([status, json.code, json.pointer]).toEqual([400, 'BAD_USER_INPUT', pointer])
  expect(json.detail.startsWith(detail)).toBe(true)
})

test('keys are changed from our own pages only, and never by an API key', async () => {
  const foreign = await request('POST', '/v1/keys', PUBLIC, { 'sec-fetch-site': 'cross-site' })
  expect([foreign.status, foreign.json.code]).toEqual([403, 'CROSS_SITE_REFUSED'])
  const key = await fixture.keyOf('default')
  const refused = await request('POST', '/v1/keys', PUBLIC, { ...key, cookie: '' })
  expect([refused.status, refused.json.code]).toEqual([403, 'FORBIDDEN'])
  const form = await request('POST', '/v1/keys', undefined, { 'Content-Type': 'text/plain' })
  expect(form.status).toBe(415)
  const unknown = await request('GET', '/v1/keys/0192a1b2-0000-7000-8000-000000000001')
  expect([unknown.status, unknown.json.code]).toEqual([404, 'KEY_NOT_FOUND'])
  const method = await request('PUT', '/v1/keys', PUBLIC)
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
})

test('the audit log is exported whole, oldest first, in lines from which anyone can compute the chain', async () => {
  const entries = QUERY_LIMITS.auditPageMax + 5
  await createTenant(fixture.db, { tenant: 'busy' })
  const { rows } = await fixture.database.pool.query(
    "SELECT tenant_id FROM tenant WHERE slug = 'busy'",
  )
  const tenantId: number = rows[0].tenant_id
  await fixture.db.transaction().execute(async (tx) => {
    for (let i = 1; i < entries; i++)
      await recordAudit(
        tx,
        { kind: 'cli' },
        {
          tenantId,
          action: 'key.changed',
          object: `key ${i}`,
          after: { name: `Zürich ${i}`, b: [1.5, null] },
        },
      )
  })

  const ndjson = { accept: 'application/x-ndjson' }
  const exported = await request('GET', '/v1/audit?tenant=busy', undefined, ndjson)
  const lines = exported.text.trimEnd().split('\n')
  expect(lines).toHaveLength(entries)
  let previous = '0'.repeat(64)
  for (const [i, line] of lines.entries()) {
    const { hash, ...entry } = JSON.parse(line)
    expect([entry.sequence, entry.previous_hash]).toEqual([i + 1, previous])
    // Sorted by hand, as an auditor without our code would.
    const sort = (value: unknown): unknown =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(
            Object.entries(value)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([name, member]) => [name, sort(member)]),
          )
        : value
    previous = createHash('sha256')
      .update(JSON.stringify(sort(entry)))
      .digest('hex')
    expect(previous).toBe(hash)
  }
  const verify = (text: string) =>
    execFileSync('bash', ['-ec', VERIFY_EXPORT], { input: text, encoding: 'utf8', stdio: 'pipe' })
  expect(verify(exported.text)).toBe(`${entries} entries as they were written\n`)
  expect(() => verify(exported.text.replace('Zürich 7"', 'Zurich 7"'))).toThrow('entry 8 is not')
  const part = await request('GET', '/v1/audit?tenant=busy&limit=3&after=200', undefined, ndjson)
  expect(
    part.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).sequence),
  ).toEqual([201, 202, 203])
})

test('the audit log as JSON has pages, newest first, filters, and the chain of the system for the operator', async () => {
  const path = '/v1/audit?tenant=busy&action=key.&limit=2'
  const first = await request('GET', path)
  expect(first.json.data.map(({ action }: { action: string }) => action)).toEqual([
    'key.changed',
    'key.changed',
  ])
  const { next_after: next } = first.json.meta
  expect(next).toBe(first.json.data[1].sequence)
  const second = await request('GET', `${path}&after=${next}`)
  expect(second.json.data[0].sequence).toBe(next - 1)
  expect((await request('GET', '/v1/audit?system=true')).json.data).toEqual([])
  for (const query of ['system=true&tenant=busy', 'limit=201', 'after=x', 'order=up'])
    expect([query, (await request('GET', `/v1/audit?${query}`)).status]).toEqual([query, 400])
  const key = await fixture.keyOf('default')
  expect((await request('GET', '/v1/audit', undefined, { ...key, cookie: '' })).status).toBe(403)
})
