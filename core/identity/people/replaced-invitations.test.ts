import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import type { Role } from '../roles.ts'
import { acceptInvitation, inviteMember, listInvitations } from './invitations.ts'
import { type ChangedBy, MEMBERS_MAX } from './members.ts'
import { findOrCreatePerson } from './people.ts'

let database: TestDatabase
let db: Database
let tenantId: number
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2, role: 'sluice_write' })
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) VALUES ('acme') RETURNING tenant_id",
  )
  tenantId = rows[0].tenant_id
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

async function memberWith(role: Role): Promise<ChangedBy> {
  const issuer = 'https://idp.example.com'
  const { personId, name } = await findOrCreatePerson(db, { issuer, subject: role, name: role })
  await database.pool.query(
    'INSERT INTO membership (tenant_id, person_id, role) VALUES ($1, $2, $3)',
    [tenantId, personId, role],
  )
  return { actor: { kind: 'person', personId, name }, isOperator: false }
}

test('a new invitation of an address ends an open one up to the own role alone, and that is audited', async () => {
  const [owner, admin] = [await memberWith('OWNER'), await memberWith('ADMIN')]
  const email = 'new@example.com'
  const invite = (by: ChangedBy, role: Role) => inviteMember(db, { tenantId, email, role, by })
  const open = async () => (await listInvitations(db, tenantId)).map(({ role }) => role)
  const { invitation } = await invite(owner, 'OWNER')
  await expect(invite(admin, 'VIEWER')).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(await open()).toEqual(['OWNER'])
  await invite(owner, 'ADMIN')
  await invite(admin, 'VIEWER')
  expect(await open()).toEqual(['VIEWER'])
  const { rows } = await database.pool.query(
    'SELECT action, object, actor_name AS by, before FROM audit_log WHERE tenant_id = $1 ORDER BY sequence',
    [tenantId],
  )
  expect(rows.map(({ action }) => action)).toEqual([
    ...['member.invited', 'invitation.revoked', 'member.invited'],
    ...['invitation.revoked', 'member.invited'],
  ])
  expect([rows[1], rows[3]]).toMatchObject([
    {
      by: 'OWNER',
      object: `invitation ${invitation.invitationId}`,
      before: { email, role: 'OWNER' },
    },
    { by: 'ADMIN', before: { email, role: 'ADMIN' } },
  ])
})

test('in a team that is full a member takes the higher role of an invitation, and nobody joins', async () => {
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) VALUES ('full') RETURNING tenant_id",
  )
  const full: number = rows[0].tenant_id
  const personOf = async (name: string) => {
    const person = { issuer: 'https://idp.example.com', subject: name, name }
    return { ...(await findOrCreatePerson(db, person)), address: `${name}@example.com` }
  }
  const [member, stranger] = [await personOf('member'), await personOf('stranger')]
  const by: ChangedBy = { actor: { kind: 'cli' }, isOperator: true }
  const invited = (person: typeof member) =>
    inviteMember(db, { tenantId: full, email: person.address, role: 'EDITOR', by })
  const tokens = [(await invited(member)).token, (await invited(stranger)).token] as const
  await database.pool.query(
    `WITH others AS (INSERT INTO person (issuer, subject, name)
       SELECT 'https://full.example.com', i, i FROM generate_series(2, $3::int) i RETURNING person_id)
     INSERT INTO membership (tenant_id, person_id, role)
     SELECT $1::int, person_id, 'VIEWER' FROM others UNION ALL SELECT $1::int, $2::int, 'VIEWER'`,
    [full, member.personId, MEMBERS_MAX],
  )
  const accept = (token: string, person: typeof member) =>
    acceptInvitation(db, { token, person, verifiedEmail: person.address })
  await expect(accept(tokens[1], stranger)).rejects.toMatchObject({ code: 'MEMBER_LIMIT_REACHED' })
  expect(await accept(tokens[0], member)).toEqual({ tenant: 'full', role: 'EDITOR' })
})
