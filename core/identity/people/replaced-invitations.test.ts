import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import type { Role } from '../roles.ts'
import { inviteMember, listInvitations } from './invitations.ts'
import type { ChangedBy } from './members.ts'
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
