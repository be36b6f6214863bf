import { sql } from 'kysely'
import { addressGroup } from '../../../contract/address-group.ts'
import type { Database } from '../../db/database.ts'
import { hashSecret } from '../hash-secret.ts'
import { pendingUntil, trimPending } from '../sign-in/bounded-table.ts'

/** What an authenticator is asked to sign, and for what. */
export type ChallengePurpose =
  | { kind: 'sign-in' }
  /** @param userHandle the subject of the person to be */
  | { kind: 'accept'; invitation: string; userHandle: string }
  | { kind: 'add'; personId: number }

export interface NewChallenge {
  /** As sent to the browser, base64url. */
  challenge: string
  browserCookie: string
  address: string
  purpose: ChallengePurpose
}

export async function saveChallenge(
  db: Database,
  { challenge, browserCookie, address, purpose }: NewChallenge,
): Promise<void> {
  const group = addressGroup(address)
  await db
    .insertInto('passkey_challenge')
    .values({
      challenge_sha256: hashSecret(challenge),
      browser_sha256: hashSecret(browserCookie),
      purpose: purpose.kind,
      invitation_sha256: purpose.kind === 'accept' ? hashSecret(purpose.invitation) : null,
      person_id: purpose.kind === 'add' ? purpose.personId : null,
      user_handle: purpose.kind === 'accept' ? purpose.userHandle : null,
      address_group: group,
      expires_at: pendingUntil(),
    })
    .execute()
  await trimPending(db, 'passkey_challenge', group)
}

/**
 * Takes a challenge, once: right or wrong, it ends with that.
 * @returns what it was for; undefined for one that is unknown, over, of another browser or purpose
 */
export async function takeChallenge(
  db: Database,
  sent: {
    challenge: string
    browserCookie: string
    purpose:
      | { kind: 'sign-in' }
      | { kind: 'accept'; invitation: string }
      | { kind: 'add'; personId: number }
  },
): Promise<{ userHandle: string | null } | undefined> {
  const { purpose } = sent
  const invitation = purpose.kind === 'accept' ? hashSecret(purpose.invitation) : null
  const personId = purpose.kind === 'add' ? purpose.personId : null
  const { rows } = await sql<{ userHandle: string | null; isValid: boolean }>`
    DELETE FROM passkey_challenge WHERE challenge_sha256 = ${hashSecret(sent.challenge)}
    RETURNING user_handle AS "userHandle",
              expires_at > clock_timestamp() AND browser_sha256 = ${hashSecret(sent.browserCookie)}
                AND purpose = ${purpose.kind} AND invitation_sha256 IS NOT DISTINCT FROM ${invitation}::bytea
                AND person_id IS NOT DISTINCT FROM ${personId}::int AS "isValid"`.execute(db)
  const [row] = rows
  return row?.isValid ? { userHandle: row.userHandle } : undefined
}
