import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { findOrCreatePerson, findPersonByReference, PASSKEY_ISSUER } from './people.ts'

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
