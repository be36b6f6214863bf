import { expect, test } from 'vitest'
import type { Config } from '../../core/config.ts'
import { createDatabase } from '../../core/db/database.ts'
import { findOrCreatePerson } from '../../core/identity/people/people.ts'
import { createTestDatabase } from '../../tests/lib/database.ts'
import type { Terminal } from '../terminal.ts'
import { createOperatorCommand } from './operator-command.ts'

test('a grant prints whom it made an operator: the id, the address and the issuer', async () => {
  const database = await createTestDatabase()
  const db = createDatabase(database.url, { max: 1 })
  try {
    const issuer = 'https://idp.example.com'
    const claims = { issuer, subject: 'a', email: 'ada@example.com', name: 'Ada' }
    const { personId } = await findOrCreatePerson(db, claims)
    const lines: string[] = []
    const terminal = { print: (line: string) => void lines.push(line) } as unknown as Terminal
    const command = createOperatorCommand({ databaseUrl: database.url } as Config, terminal)
    await command.parseAsync(['grant', claims.email], { from: 'user' })
    expect(lines).toEqual([
      `Ada is an operator: person ${personId}, ada@example.com, of ${issuer}.`,
    ])
  } finally {
    await db.destroy()
    await database.drop()
  }
})
