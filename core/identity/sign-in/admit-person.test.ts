import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { admitPerson } from './admit-person.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { role: 'sluice_write', max: 4 })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

test('of two subjects with the address of an operator at the same time, one becomes it, and nothing is kept of the other', async () => {
  const issuer = 'https://idp.example.com'
  const operators = [{ issuer, email: 'root@example.com' }]
  for (let round = 0; round < 5; round++) {
    await database.pool.query('TRUNCATE person CASCADE')
    const admitted = await Promise.all(
      ['a', 'b', 'c'].map((subject) =>
        admitPerson(db, { issuer, subject, email: 'root@example.com' }, { operators }),
      ),
    )
    expect(admitted.filter((person) => person !== undefined)).toMatchObject([{ isOperator: true }])
    const { rows } = await database.pool.query('SELECT is_operator FROM person')
    expect(rows).toEqual([{ is_operator: true }])
  }
})

test('becoming an operator by the setting is audited once, with the person and the address of the request', async () => {
  await database.pool.query('TRUNCATE person CASCADE')
  const issuer = 'https://idp.example.com'
  const operators = [{ issuer, email: 'audited@example.com' }]
  const who = { issuer, subject: 'audited', email: 'audited@example.com', name: 'Root' }
  const admit = () => admitPerson(db, who, { operators, from: { address: '192.0.2.7' } })
  const person = await admit()
  await admit()
  const { rows } = await database.pool.query(
    `SELECT action, actor_kind, actor, actor_name, address, before, after FROM audit_log
      WHERE tenant_id = 0 AND object = $1`,
    [`person ${person?.personId}`],
  )
  expect(rows).toEqual([
    {
      ...{ action: 'settings.changed', actor_kind: 'person', actor: String(person?.personId) },
      ...{ actor_name: 'Root', address: '192.0.2.7' },
      ...{ before: { operator: false }, after: { operator: true } },
    },
  ])
})
