import type { Database } from '../../db/database.ts'
import type { AuditActor } from '../audit/audit-log.ts'
import { acceptInvitation } from '../people/invitations.ts'
import { findOrCreatePerson, PASSKEY_ISSUER, type Person } from '../people/people.ts'
import { addPasskey, type NewPasskey } from './passkeys.ts'

export interface AcceptedByPasskey {
  /** Of the invitation's link. */
  token: string
  passkey: NewPasskey
  userHandle: string
  email: string
  name: string
  from: Pick<AuditActor, 'address' | 'requestId'>
}

/**
 * Makes a new person with this passkey a member. The link of the invitation was sent to its address, so who has it is
 * taken for the owner of that address, for this invitation: nobody else may take the person's address as verified.
 * @throws INVITATION_NOT_FOUND, MEMBER_LIMIT_REACHED, PASSKEY_EXISTS; nobody was created then
 */
export function acceptByPasskey(
  db: Database,
  { token, passkey, userHandle, email, name, from }: AcceptedByPasskey,
): Promise<Person> {
  return db.transaction().execute(async (tx) => {
    const who = { issuer: PASSKEY_ISSUER, subject: userHandle, email, name }
    const person = await findOrCreatePerson(tx, who)
    await addPasskey(tx, person.personId, passkey)
    await acceptInvitation(tx, { token, person, verifiedEmail: email, from })
    return person
  })
}
