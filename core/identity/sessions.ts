import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { hashSecret } from './hash-secret.ts'

const LINK_MINUTES = 10
export const SESSION_DAYS = 30
const SESSIONS_MAX = 100
const LINKS_MAX = 100

/** @returns a token that signs one browser in, within ten minutes */
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

/** Uses the link and begins a session. @returns its token; undefined for a link that is used, expired or unknown */
export async function redeemLoginLink(db: Database, link: string): Promise<string | undefined> {
  const token = newToken()
  const { rows } = await sql`
    WITH used AS (
      UPDATE login_link SET used_at = now()
       WHERE token_sha256 = ${hashSecret(link)} AND used_at IS NULL AND expires_at > now()
      RETURNING 1
    )
    INSERT INTO session (token_sha256, expires_at)
    SELECT ${hashSecret(token)}, now() + make_interval(days => ${SESSION_DAYS}) FROM used
    RETURNING 1`.execute(db)
  if (rows.length === 0) return undefined
  // Beyond SESSIONS_MAX the oldest sessions end.
  await sql`
    DELETE FROM session WHERE expires_at < now() OR token_sha256 NOT IN
      (SELECT token_sha256 FROM session ORDER BY created_at DESC LIMIT ${SESSIONS_MAX})`.execute(db)
  return token
}

export async function isSessionValid(db: Database, token: string): Promise<boolean> {
  const row = await db
    .selectFrom('session')
    .select('expires_at')
    .where('token_sha256', '=', hashSecret(token))
    .where('expires_at', '>', sql<string>`now()`)
    .executeTakeFirst()
  return row !== undefined
}

export async function endSession(db: Database, token: string): Promise<void> {
  await db.deleteFrom('session').where('token_sha256', '=', hashSecret(token)).execute()
}

/** Whether it has the form of a session token or login link; others are never looked up. */
export function looksLikeToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
}

/** 256 random bits. */
function newToken(): string {
  return randomBytes(32).toString('base64url')
}
