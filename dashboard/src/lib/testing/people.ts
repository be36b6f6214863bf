import type { QueryFixture } from '../../../../core/api/graphql/testing/fixture.ts'
import { findOrCreatePerson, type Person } from '../../../../core/identity/people/people.ts'
import type { Role } from '../../../../core/identity/roles.ts'
import { beginSession } from '../../../../core/identity/sessions.ts'

/** Somebody who is signed in, as after a sign-in at a provider. */
export interface SignedIn {
  person: Person
  /** What the cookie of their browser holds. */
  token: string
}

/** @param memberships their role in each tenant, by its id */
export async function signInPerson(
  { db, database }: Pick<QueryFixture, 'db' | 'database'>,
  name: string,
  memberships: Record<string, Role> = {},
): Promise<SignedIn> {
  const subject = name.toLowerCase().replaceAll(/[^a-z]+/g, '.')
  const email = `${subject}@example.com`
  const person = await findOrCreatePerson(db, {
    issuer: 'https://id.example',
    subject,
    name,
    email,
  })
  for (const [tenant, role] of Object.entries(memberships))
    await database.pool.query(
      'INSERT INTO membership (tenant_id, person_id, role) SELECT tenant_id, $2, $3 FROM tenant WHERE slug = $1',
      [tenant, person.personId, role],
    )
  const from = { device: 'Firefox on Linux', address: '203.0.113.7' }
  const token = await beginSession(db, { personId: person.personId, method: 'oidc', ...from })
  return { person, token }
}
