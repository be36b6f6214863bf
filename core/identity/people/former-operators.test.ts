import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { applyOperators } from '../sign-in/operators.ts'
import { inviteMember, listInvitations } from './invitations.ts'
import { findOrCreatePerson, type Person, setOperator } from './people.ts'

let database: TestDatabase
let db: Database
const tenants: number[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2, role: 'sluice_write' })
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) VALUES ('admin'), ('editor'), ('none') RETURNING tenant_id AS id",
  )
  tenants.push(...rows.map(({ id }) => id))
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

let people = 0
/** An operator, admin of the first tenant and editor of the second one, who has invited to all of them. */
async function invitingOperator(): Promise<Person> {
  const who = { issuer: 'https://idp.example.com', subject: `s${people++}`, name: 'Op' }
  const person = await findOrCreatePerson(db, who)
  await setOperator(db, person.personId, { isOperator: true, by: { kind: 'cli' } })
  await database.pool.query(
    "INSERT INTO membership (tenant_id, person_id, role) VALUES ($1, $3, 'ADMIN'), ($2, $3, 'EDITOR')",
    [tenants[0], tenants[1], person.personId],
  )
  const actor = { kind: 'person', personId: person.personId, name: 'Op' } as const
  for (const tenantId of tenants)
    for (const role of ['ADMIN', 'OWNER'] as const) {
      const email = `${role.toLowerCase()}@example.com`
      await inviteMember(db, { tenantId, email, role, by: { actor, isOperator: true } })
    }
  return person
}
const open = async () =>
  (await Promise.all(tenants.map((tenantId) => listInvitations(db, tenantId)))).map((each) =>
    each.map(({ role }) => role),
  )

test('who was an operator leaves the open invitations that their roles allow, and no others', async () => {
  const { personId } = await invitingOperator()
  await setOperator(db, personId, { isOperator: true, by: { kind: 'cli' } })
  expect(await open()).toEqual(tenants.map(() => ['OWNER', 'ADMIN']))
  await setOperator(db, personId, { isOperator: false, by: { kind: 'cli' } })
  expect(await open()).toEqual([['ADMIN'], [], []])
})

test('so does somebody whose entry of the setting ended', async () => {
  const { personId } = await invitingOperator()
  await database.pool.query(
    `INSERT INTO operator_binding (issuer, email_sha256, person_id) VALUES ('https://idp.example.com', sha256('x'), $1)`,
    [personId],
  )
  await applyOperators(db, [])
  expect(await open()).toEqual([['ADMIN'], [], []])
})
