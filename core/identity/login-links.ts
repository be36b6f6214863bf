import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { hashSecret } from './hash-secret.ts'
import { beginSession, newToken, type SessionOrigin } from './sessions.ts'

const LINK_MINUTES = 10
const LINKS_MAX = 100

/** @returns a token that signs one browser in as the operator, within ten minutes */
export async function mintLoginLink(db: Database): Promise<string> {
  const token = newToken()
  await db
    .insertInto('login_link')
    .values({
      token_sha256: hashSecret(token),
      expires_at: sql<string>`now() + make_interval(mins => ${LINK_MINUTES})`,
    })
    .execute()
  await sql`
    DELETE FROM login_link WHERE expires_at < now() OR token_sha256 NOT IN
      (SELECT token_sha256 FROM login_link ORDER BY expires_at DESC LIMIT ${LINKS_MAX})`.execute(db)
  return token
}

/** What a person opens. The token is behind the #, so browsers send it to nobody: no proxy, log or link preview has it. */
export function loginUrl(coreUrl: string, token: string): string {
  return `${coreUrl.replace(/\/+$/, '')}/login#token=${token}`
}

/**
 * Uses the link and begins a session of the operator.
 * @returns its token; undefined for a link that is used, expired or unknown
 */
export function redeemLoginLink(
  db: Database,
  link: string,
  from: SessionOrigin = {},
): Promise<string | undefined> {
  return db.transaction().execute(async (tx) => {
    const used = await tx
      .updateTable('login_link')
      .set({ used_at: sql<string>`now()` })
      .where('token_sha256', '=', hashSecret(link))
      .where('used_at', 'is', null)
      .where('expires_at', '>', sql<string>`now()`)
      .returning('token_sha256')
      .executeTakeFirst()
    if (!used) return undefined
    return await beginSession(tx, { personId: null, method: 'link', ...from })
  })
}
