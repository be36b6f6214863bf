import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { readSignIn } from '../../sign-in-config.ts'
import { acceptInvitation, inviteMember } from './invitations.ts'
import { findOrCreatePerson, findPersonByReference, PASSKEY_ISSUER, readEmail } from './people.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

test('an address names the person whose provider verified it, and a person with a passkey is named by id alone', async () => {
  const email = 'ada@example.com'
  const guest = await findOrCreatePerson(db, { issuer: PASSKEY_ISSUER, subject: 'a', email })
  await expect(findPersonByReference(db, email)).rejects.toThrow(`by the id ${guest.personId}.`)
  expect(await findPersonByReference(db, String(guest.personId))).toMatchObject(guest)
  await findOrCreatePerson(db, { issuer: 'https://idp.example.com', subject: 'a', email })
  await expect(findPersonByReference(db, email)).rejects.toThrow('Several people')
  const verified = { issuer: 'https://idp.example.com', subject: 'b', email: 'bob@example.com' }
  const bob = await findOrCreatePerson(db, verified)
  expect(await findPersonByReference(db, ' Bob@Example.com')).toMatchObject(bob)
})

test('no letter beyond ASCII becomes one of another address', async () => {
  expect(readEmail(' MIKE@Corp.com')).toBe('mike@corp.com')
  expect(readEmail('jos\u00e9@corp.com')).toBe('jos\u00e9@corp.com')
  const kelvin = 'mi\u212ae@corp.com'
  const env = {
    SLUICE_OIDC_WORK_ISSUER: 'https://idp.example.com',
    SLUICE_OIDC_WORK_CLIENT_ID: 'a',
  }
  for (const email of [kelvin, '\u212bngstrom@corp.com', '\u0130d@corp.com']) {
    expect(() => readEmail(email)).toThrow('capital letters')
    expect(() =>
      readSignIn({
        ...env,
        SLUICE_OIDC_WORK_CLIENT_SECRET: 's',
        SLUICE_OPERATORS: `work:${email}`,
      }),
    ).toThrow('no valid e-mail address')
  }
  const { rows } = await database.pool.query(
    "INSERT INTO tenant (slug) VALUES ('acme') RETURNING tenant_id AS id",
  )
  const by = { actor: { kind: 'cli' }, isOperator: true } as const
  const invited = { tenantId: rows[0].id, email: 'mike@corp.com', role: 'VIEWER', by } as const
  const { token } = await inviteMember(db, invited)
  const person = await findOrCreatePerson(db, { issuer: 'https://idp.example.com', subject: 'm' })
  await expect(
    acceptInvitation(db, { token, person, verifiedEmail: kelvin }),
  ).rejects.toMatchObject({ code: 'INVITATION_FOR_ANOTHER' })
  await acceptInvitation(db, { token, person, verifiedEmail: 'Mike@Corp.com' })
})
