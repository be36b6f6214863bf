import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { hashSecret } from '../hash-secret.ts'
import { ROLES, type Role } from '../roles.ts'
import { createTenantFor } from './create-tenant.ts'
import {
  acceptInvitation,
  inviteMember,
  listInvitations,
  previewInvitation,
  revokeInvitation,
} from './invitations.ts'
import { type ChangedBy, changeRole, listMembers, removeMember } from './members.ts'
import { findOrCreatePerson, type Person } from './people.ts'

let database: TestDatabase
let db: Database
let tenantId: number
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 4 })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const OPERATOR: ChangedBy = { actor: { kind: 'cli' }, isOperator: true }
const by = ({ personId, name }: Person): ChangedBy => ({
  actor: { kind: 'person', personId, name },
  isOperator: false,
})

let people = 0
const person = (email?: string) =>
  findOrCreatePerson(db, {
    issuer: 'https://provider.example',
    subject: `s${people++}`,
    name: `Person ${people}`,
    email,
  })

async function member(role: Role): Promise<Person> {
  const someone = await person()
  await database.pool.query('INSERT INTO membership VALUES ($1, $2, $3)', [
    tenantId,
    someone.personId,
    role,
  ])
  return someone
}

const rolesOf = async () =>
  new Map((await listMembers(db, tenantId)).map(({ personId, role }) => [personId, role]))
const code = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error) => error.code,
  )
const audited = async () =>
  (
    await database.pool.query(
      'SELECT action, actor, object, before, after FROM audit_log WHERE tenant_id = $1 ORDER BY sequence',
      [tenantId],
    )
  ).rows

let tenants = 0
beforeEach(async () => {
  const tenant = `tenant-${tenants++}`
  await createTenantFor(db, { tenant, by: OPERATOR })
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', tenant)
    .executeTakeFirstOrThrow()
  tenantId = row.tenant_id
})

describe('a person', () => {
  test('is an issuer and a subject, whatever the e-mail address and the name', async () => {
    const claims = { issuer: 'https://a.example', subject: 'one' }
    const first = await findOrCreatePerson(db, { ...claims, email: 'A@Example.com', name: 'Ada' })
    const again = await findOrCreatePerson(db, { ...claims, email: 'b@example.com', name: 'Ada B' })
    expect(first).toMatchObject({ email: 'a@example.com', name: 'Ada', isOperator: false })
    expect(again).toEqual({ ...first, email: 'b@example.com', name: 'Ada B' })
    expect(await findOrCreatePerson(db, claims)).toEqual(again)
    const others = await Promise.all([
      findOrCreatePerson(db, { ...claims, issuer: 'https://a.example/', email: 'b@example.com' }),
      findOrCreatePerson(db, { ...claims, subject: 'One', email: 'b@example.com' }),
    ])
    expect(new Set([first, ...others].map(({ personId }) => personId)).size).toBe(3)
  })

  test('has a name of one line, without what changes the text around it', async () => {
    const { name } = await findOrCreatePerson(db, {
      issuer: 'https://a.example',
      subject: 'bidi',
      name: ' A\u202e\nd\u0000a ',
    })
    expect(name).toBe('A d a')
  })

  test.each(['nobody', 'a@b', 'a@b.c, d@e.f', 'A <a@b.c>', 'a b@c.d', 'a@b.c\r\nBcc: x@y.z'])(
    'cannot have the e-mail address %j',
    async (email) => {
      expect(await code(person(email))).toBe('BAD_USER_INPUT')
    },
  )
})

describe('roles', () => {
  test.each(ROLES.flatMap((actor) => ROLES.map((role) => [actor, role] as const)))(
    'of somebody else: %s may set %s only up to the own role, and as admin or owner',
    async (actor, role) => {
      const [someone, changer] = [await member('VIEWER'), await member(actor)]
      const change = { tenantId, personId: someone.personId, role, by: by(changer) }
      const may = ['ADMIN', 'OWNER'].includes(actor) && ROLES.indexOf(role) <= ROLES.indexOf(actor)
      expect(await code(changeRole(db, change))).toBe(may ? 'done' : 'FORBIDDEN')
      expect((await rolesOf()).get(someone.personId)).toBe(may ? role : 'VIEWER')
    },
  )

  test('above the own one are neither taken away nor removed', async () => {
    const [owner, admin] = [await member('OWNER'), await member('ADMIN')]
    await member('OWNER')
    const change = { tenantId, personId: owner.personId, by: by(admin) }
    expect(await code(changeRole(db, { ...change, role: 'VIEWER' }))).toBe('FORBIDDEN')
    expect(await code(removeMember(db, change))).toBe('FORBIDDEN')
    expect((await rolesOf()).get(owner.personId)).toBe('OWNER')
  })

  test('change only in the version that was read, and every change is audited', async () => {
    const [owner, someone] = [await member('OWNER'), await member('VIEWER')]
    const change = { tenantId, personId: someone.personId, by: by(owner) }
    const changed = await changeRole(db, { ...change, role: 'EDITOR', version: 1 })
    expect(changed).toMatchObject({ role: 'EDITOR', version: 2 })
    expect(await code(changeRole(db, { ...change, role: 'ADMIN', version: 1 }))).toBe(
      'VERSION_CONFLICT',
    )
    // The same role again is no change.
    expect(await changeRole(db, { ...change, role: 'EDITOR', version: 2 })).toEqual(changed)
    await removeMember(db, change)
    expect(await audited()).toMatchObject([
      { action: 'tenant.created' },
      {
        ...{ action: 'member.role-changed', actor: String(owner.personId) },
        ...{ before: { role: 'VIEWER' }, after: { role: 'EDITOR' } },
      },
      { action: 'member.removed', before: { role: 'EDITOR' } },
    ])
  })

  test('of somebody who is not a member of the tenant are not found', async () => {
    const [owner, stranger] = [await member('OWNER'), await person()]
    const change = { tenantId, by: by(owner) }
    for (const personId of [stranger.personId, 999_999]) {
      expect(await code(changeRole(db, { ...change, personId, role: 'VIEWER' }))).toBe(
        'MEMBER_NOT_FOUND',
      )
      expect(await code(removeMember(db, { ...change, personId }))).toBe('MEMBER_NOT_FOUND')
    }
    expect(
      await code(removeMember(db, { tenantId, personId: owner.personId, by: by(stranger) })),
    ).toBe('FORBIDDEN')
  })

  test('of the operator are needed by nobody who is the operator', async () => {
    const someone = await member('VIEWER')
    const change = { tenantId, personId: someone.personId, by: OPERATOR }
    expect(await changeRole(db, { ...change, role: 'OWNER' })).toMatchObject({ role: 'OWNER' })
  })
})

describe('the last owner', () => {
  test('is neither demoted nor removed, and cannot leave, even by the operator', async () => {
    const owner = await member('OWNER')
    await member('ADMIN')
    const { personId } = owner
    for (const changer of [by(owner), OPERATOR]) {
      expect(await code(changeRole(db, { tenantId, personId, role: 'ADMIN', by: changer }))).toBe(
        'LAST_OWNER',
      )
      expect(await code(removeMember(db, { tenantId, personId, by: changer }))).toBe('LAST_OWNER')
    }
    const second = await member('OWNER')
    await removeMember(db, { tenantId, personId, by: by(owner) })
    expect([...(await rolesOf()).keys()]).toContain(second.personId)
    expect((await rolesOf()).has(personId)).toBe(false)
  })

  test('stays when two owners demote each other, or leave, at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      await database.pool.query('DELETE FROM membership WHERE tenant_id = $1', [tenantId])
      const [a, b] = [await member('OWNER'), await member('OWNER')]
      const role = 'VIEWER'
      const outcomes = await Promise.all(
        round % 2 === 0
          ? [
              code(changeRole(db, { tenantId, personId: b.personId, role, by: by(a) })),
              code(changeRole(db, { tenantId, personId: a.personId, role, by: by(b) })),
            ]
          : [
              code(removeMember(db, { tenantId, personId: a.personId, by: by(a) })),
              code(removeMember(db, { tenantId, personId: b.personId, by: by(b) })),
            ],
      )
      // The second one of two who demote each other is an owner no more when it is their turn.
      expect(outcomes.sort()).toEqual([round % 2 === 0 ? 'FORBIDDEN' : 'LAST_OWNER', 'done'])
      expect([...(await rolesOf()).values()].filter((each) => each === 'OWNER')).toHaveLength(1)
    }
  })
})

describe('an invitation', () => {
  const invite = (role: Role, changer: ChangedBy = OPERATOR, email = 'New@Example.com') =>
    inviteMember(db, { tenantId, email, role, by: changer })
  const accept = (token: string, someone: Person, verifiedEmail: string | undefined) =>
    acceptInvitation(db, { token, person: someone, verifiedEmail })

  test('makes who has its address a member, once', async () => {
    const { token, invitation } = await invite('EDITOR')
    expect(invitation).toMatchObject({ email: 'new@example.com', role: 'EDITOR', invitedBy: null })
    expect(JSON.stringify(await listInvitations(db, tenantId))).not.toContain(token)
    const [someone, other] = [await person(), await person()]
    for (const email of [undefined, 'other@example.com', ''])
      expect(await code(accept(token, someone, email))).toBe('INVITATION_FOR_ANOTHER')
    expect(await accept(token, someone, 'NEW@example.com')).toMatchObject({ role: 'EDITOR' })
    expect((await rolesOf()).get(someone.personId)).toBe('EDITOR')
    expect(await code(accept(token, other, 'new@example.com'))).toBe('INVITATION_NOT_FOUND')
    expect(await previewInvitation(db, token)).toBeUndefined()
    expect((await audited()).map(({ action }) => action)).toEqual([
      'tenant.created',
      'member.invited',
      'member.joined',
    ])
    expect(JSON.stringify(await audited())).not.toContain(token)
  })

  test('is accepted by one of two who open it at the same moment', async () => {
    const { token } = await invite('VIEWER')
    const two = [await person(), await person()]
    const outcomes = await Promise.all(
      two.map((someone) => code(accept(token, someone, 'new@example.com'))),
    )
    expect(outcomes.sort()).toEqual(['INVITATION_NOT_FOUND', 'done'])
    expect((await rolesOf()).size).toBe(1)
  })

  test.each([
    ['6 days 23:59:00', 'done'],
    ['7 days', 'INVITATION_NOT_FOUND'],
  ])('that is %s old: %s', async (old, outcome) => {
    const { token } = await invite('VIEWER')
    await database.pool.query(
      'UPDATE invitation SET expires_at = expires_at - $2::interval WHERE token_sha256 = $1',
      [hashSecret(token), old],
    )
    expect(await code(accept(token, await person(), 'new@example.com'))).toBe(outcome)
  })

  test('grants no role above that of who invites, and takes the place of an earlier one', async () => {
    const [admin, editor] = [await member('ADMIN'), await member('EDITOR')]
    expect(await code(invite('OWNER', by(admin)))).toBe('FORBIDDEN')
    expect(await code(invite('VIEWER', by(editor)))).toBe('FORBIDDEN')
    const first = await invite('ADMIN', by(admin))
    const second = await invite('VIEWER', by(admin))
    expect(await previewInvitation(db, first.token)).toBeUndefined()
    expect((await listInvitations(db, tenantId)).map(({ role }) => role)).toEqual(['VIEWER'])
    expect((await previewInvitation(db, second.token))?.invitedBy).toBe(admin.name)
  })

  test('is void once who sent it has lost the role that it grants', async () => {
    await member('OWNER')
    const owner = await member('OWNER')
    const change = { tenantId, personId: owner.personId, by: OPERATOR }
    const high = await invite('OWNER', by(owner), 'a@example.com')
    const low = await invite('ADMIN', by(owner), 'b@example.com')
    await changeRole(db, { ...change, role: 'ADMIN' })
    expect(await previewInvitation(db, high.token)).toBeUndefined()
    expect(await previewInvitation(db, low.token)).toBeDefined()
    await removeMember(db, change)
    expect(await previewInvitation(db, low.token)).toBeUndefined()
  })

  test('is revoked in its own tenant, by who could have sent it', async () => {
    const [owner, admin] = [await member('OWNER'), await member('ADMIN')]
    const { invitation, token } = await invite('OWNER', by(owner))
    const { invitationId } = invitation
    const revoke = (changer: ChangedBy, of = tenantId) =>
      code(revokeInvitation(db, { tenantId: of, invitationId, by: changer }))
    expect(await revoke(by(admin))).toBe('FORBIDDEN')
    expect(await revoke(OPERATOR, tenantId - 1)).toBe('INVITATION_NOT_FOUND')
    expect(await previewInvitation(db, token)).toBeDefined()
    expect(await revoke(by(owner))).toBe('done')
    expect(await revoke(by(owner))).toBe('INVITATION_NOT_FOUND')
    expect(await code(accept(token, await person(), 'new@example.com'))).toBe(
      'INVITATION_NOT_FOUND',
    )
  })

  test('does not lower a role, and raises one', async () => {
    const owner = await member('OWNER')
    const lower = await invite('VIEWER')
    expect(await accept(lower.token, owner, 'new@example.com')).toMatchObject({ role: 'OWNER' })
    const viewer = await member('VIEWER')
    const higher = await invite('ADMIN')
    expect(await accept(higher.token, viewer, 'new@example.com')).toMatchObject({ role: 'ADMIN' })
    expect((await listMembers(db, tenantId)).map(({ role, version }) => [role, version])).toEqual([
      ['OWNER', 1],
      ['ADMIN', 2],
    ])
  })

  test('cannot be the hundred and first that is open', async () => {
    await database.pool.query(
      `INSERT INTO invitation (tenant_id, token_sha256, email, role, expires_at)
       SELECT $1::int, sha256(($1::int || ' ' || n)::text::bytea), n || '@example.com', 'VIEWER', now() + interval '1 day'
         FROM generate_series(1, 99) n`,
      [tenantId],
    )
    expect(await code(invite('VIEWER'))).toBe('done')
    expect(await code(invite('VIEWER', OPERATOR, 'more@example.com'))).toBe('MEMBER_LIMIT_REACHED')
  })
})

test('a person who creates a tenant owns it, and an id that is taken or invalid is refused', async () => {
  const someone = await person()
  const create = (tenant: string) => createTenantFor(db, { tenant, by: by(someone) })
  await create('mine')
  const { rows } = await database.pool.query(
    "SELECT person_id, role FROM membership JOIN tenant USING (tenant_id) WHERE slug = 'mine'",
  )
  expect(rows).toEqual([{ person_id: someone.personId, role: 'OWNER' }])
  expect(await code(create('mine'))).toBe('TENANT_EXISTS')
  expect(await code(create('Not a tenant'))).toBe('BAD_USER_INPUT')
})
