import type { Database } from '../../db/database.ts'
import { acceptInvitation } from '../people/invitations.ts'
import { findOrCreatePerson, type Person } from '../people/people.ts'
import { addPasskey, type NewPasskey, PASSKEY_ISSUER } from './passkeys.ts'

/**
 * Makes a new person with this passkey a member. The link of the invitation was sent to its address, so who has it is
 * taken for the owner of that address.
 * @throws INVITATION_NOT_FOUND, MEMBER_LIMIT_REACHED, PASSKEY_EXISTS; nobody was created then
 */
export async function acceptByPasskey(
  db: Database,
  accepted: { token: string; passkey: NewPasskey; userHandle: string; email: string; name: string },
): Promise<Person> {
  const { token, passkey, userHandle, email, name } = accepted
  const person = await db.transaction().execute(async (tx) => {
    const who = { issuer: PASSKEY_ISSUER, subject: userHandle, email, name }
    const created = await findOrCreatePerson(tx, who)
    await addPasskey(tx, created.personId, passkey)
    return created
  })
  try {
    await acceptInvitation(db, { token, person, verifiedEmail: email })
    return person
  } catch (error) {
    // The invitation was used meanwhile. The passkey goes with its person.
    await db.deleteFrom('person').where('person_id', '=', person.personId).execute()
    throw error
  }
}
