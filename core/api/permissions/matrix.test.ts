import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Database } from '../../db/database.ts'
import { inviteMember } from '../../identity/people/invitations.ts'
import { PERMISSIONS } from '../../identity/roles.ts'
import { neededBy, rootFields } from '../graphql/permissions.ts'
import { createSchema } from '../graphql/schema.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createInvalidation, type Invalidation } from '../result-cache/invalidation.ts'
import { createMemoryStore } from '../result-cache/memory-store.ts'
import { createResultCache } from '../result-cache/result-cache.ts'
import { EXPECTED_ERRORS, FIELD_EXAMPLES, MARKER } from './testing/field-examples.ts'
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
beforeAll(async () => {
  fixture = await createQueryFixture(undefined, createTestCache)
  await fixture.store('default', [
    { id: MARKER, name: MARKER, actor: MARKER, receivedAt: '2026-11-20T10:00:00Z' },
    { id: `${MARKER}-now`, name: MARKER, properties: { [MARKER]: 1 } },
  ])
  senders = await createSenders(fixture)
  const operator = { actor: { kind: 'cli' }, isOperator: true } as const
  const tenants = await fixture.db.selectFrom('tenant').select(['tenant_id', 'slug']).execute()
  const tenantId = tenants.find(({ slug }) => slug === 'default')?.tenant_id as number
  const email = `${MARKER}@example.com`
  await inviteMember(fixture.db, { tenantId, email, role: 'OWNER', by: operator })
})
afterAll(async () => {
  await invalidation?.close()
  await fixture.close()
})

let invalidation: Invalidation | undefined
/** As in core: results that somebody saw before their role was taken away are in it. */
function createTestCache({ db, databaseUrl }: { db: Database; databaseUrl: string }) {
  invalidation = createInvalidation({ databaseUrl, logger: { warn() {} } })
  return createResultCache({ db, store: createMemoryStore(), invalidation })
}

/** Of a subscription the first message. */
async function send(document: string, headers: Headers): Promise<{ status: number; text: string }> {
  const left = new AbortController()
  const isLive = document.startsWith('subscription')
  const response = await fixture.graphql.fetch(
    new Request('http://localhost/graphql', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: isLive ? 'text/event-stream' : 'application/json',
        ...headers,
      },
      body: JSON.stringify({ query: document }),
      signal: left.signal,
    }),
    { origin: 'http://localhost' },
  )
  const { status } = response
  if (!isLive) return { status, text: await response.text() }
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  let text = ''
  for (; !text.includes('data: {'); ) {
    const { value, done } = await reader.read()
    if (done) break
    text += Buffer.from(value).toString()
  }
  await reader.cancel()
  left.abort()
  return { status, text }
}

const codeIn = (text: string) => /"code":"([A-Z_]+)"/.exec(text)?.[1]

async function restoreMembers(): Promise<void> {
  const { pool } = fixture.database
  await pool.query(
    `INSERT INTO membership (tenant_id, person_id, role)
     SELECT t.tenant_id, m.person_id, m.role FROM members_before m JOIN tenant t USING (tenant_id) ON CONFLICT DO NOTHING`,
  )
}

const fields = rootFields(createSchema()).map(([type, field]) => ({
  type,
  name: field.name,
  permission: neededBy(field).permission,
  isOfTenant: field.args.some(({ name }) => name === 'tenant'),
}))

describe('the matrix of fields and senders', () => {
  beforeAll(() =>
    fixture.database.pool.query('CREATE TABLE members_before AS SELECT * FROM membership'),
  )

  test('covers every field, and every permission', () => {
    const names = fields.map(({ name }) => name)
    expect(Object.keys(FIELD_EXAMPLES).sort()).toEqual(names.sort())
    expect(Object.keys(ALLOWED).sort()).toEqual(Object.keys(PERMISSIONS).sort())
  })

  test.each(fields)('$name: $permission', async ({ name, permission, isOfTenant }) => {
    const example = FIELD_EXAMPLES[name] as (tenant: string) => string
    const check = async (sender: SenderName) => {
      const { status, text } = await send(example('default'), senders[sender])
      const code = codeIn(text)
      const of = `${name} by ${sender}: ${status} ${text.slice(0, 300)}`
      if (DENIED.includes(sender)) {
        expect([401, 403], of).toContain(status)
        expect(['UNAUTHENTICATED', 'FORBIDDEN'], of).toContain(code)
      } else if (ALLOWED[permission]?.includes(sender)) {
        if (code !== undefined) expect([...EXPECTED_ERRORS], of).toContain(code)
      } else if (['owner of other', 'removed'].includes(sender) && isOfTenant) {
        expect(code, of).toBe('BAD_USER_INPUT')
        const nowhere = await send(example('nowhere'), senders[sender])
        expect(text.replaceAll('default', 'nowhere'), of).toBe(nowhere.text)
        expect(status).toBe(nowhere.status)
      } else if (isOfTenant || !['own-sessions', 'who-am-i', 'pipeline.read'].includes(permission))
        expect(code, of).toBe('FORBIDDEN')
      if (!ALLOWED[permission]?.includes(sender)) expect(text, of).not.toContain(MARKER)
    }
    await Promise.all(SENDERS.map(check))
    if (name === 'leaveTenant') await restoreMembers()
  })
})
