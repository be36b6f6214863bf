import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { ApiError } from '../lib/api-error.ts'
import { hashSecret } from './hash-secret.ts'
import type { Person } from './people/people.ts'
import type { Role } from './roles.ts'

export const SESSION_DAYS = 30
/** A person's session that is used by nobody ends sooner. */
const IDLE_HOURS_MAX = 12
/** Of the operator by login links, and of each person. */
const SESSIONS_MAX = 100
const PERSON_SESSIONS_MAX = 20
const RECENT_MINUTES = 15

export type SessionMethod = 'link' | 'oidc' | 'passkey'

/** Where a session was begun; both are shown to its owner and decide nothing. */
export interface SessionOrigin {
  /** Such as `Firefox on Linux`. */
  device?: string | undefined
  address?: string | undefined
}

export interface NewSession extends SessionOrigin {
  /** null: the operator, by a login link. */
  personId: number | null
  method: SessionMethod
  /** The provider's own id of its session, `sid`. */
  providerSession?: string | undefined
}

/** A session that is valid now, with all that decides what its owner may do. */
export interface Session {
  sessionId: string
  method: SessionMethod
  /** null: the operator, by a login link. */
  person: Person | null
  /** By the tenant's id in URLs, in the order of joining. */
  memberships: ReadonlyMap<string, Membership>
  /** When its owner last showed who they are, RFC 3339. */
  authenticatedAt: string
  /** The same in seconds ago, by Postgres' clock. */
  authenticatedSecondsAgo: number
  /** Whether `last_used_at` is to be written again. */
  isUseDue: boolean
}

export interface Membership {
  tenantId: number
  role: Role
}

/** @returns the token of a new session, which only its browser gets */
export async function beginSession(
  db: Database,
  { personId, method, device, address, providerSession }: NewSession,
): Promise<string> {
  const token = newToken()
  await db
    .insertInto('session')
    .values({
      token_sha256: hashSecret(token),
      expires_at: sql<string>`now() + make_interval(days => ${SESSION_DAYS})`,
      person_id: personId,
      method,
      device: device?.slice(0, 100) ?? null,
      address: address?.slice(0, 100) ?? null,
      provider_session: providerSession ?? null,
    })
    .execute()
  await forgetSessions(db, personId)
  return token
}

/** Those that are over, and of the same owner the oldest ones beyond the limit. */
async function forgetSessions(db: Database, personId: number | null): Promise<void> {
  const max = personId === null ? SESSIONS_MAX : PERSON_SESSIONS_MAX
  await sql`
    DELETE FROM session
     WHERE expires_at < now()
        OR (person_id IS NOT NULL AND last_used_at <= now() - make_interval(hours => ${IDLE_HOURS_MAX}))
        OR token_sha256 IN (SELECT token_sha256 FROM session WHERE person_id IS NOT DISTINCT FROM ${personId}::int
                             ORDER BY created_at DESC, token_sha256 OFFSET ${max})`.execute(db)
}

/** A session is looked up for each request, so what was ended or taken away counts at once. */
export async function readSession(db: Database, token: string): Promise<Session | undefined> {
  const { rows } = await sql<SessionRow>`
    SELECT s.session_id, s.method, s.authenticated_at,
           extract(epoch FROM now() - s.authenticated_at)::float8 AS authenticated_seconds_ago,
           s.last_used_at < now() - interval '1 minute' AS is_use_due,
           p.person_id, p.name, p.email, p.is_operator,
           (SELECT jsonb_agg(jsonb_build_array(t.slug, m.tenant_id, m.role) ORDER BY m.joined_at, m.tenant_id)
              FROM membership m JOIN tenant t USING (tenant_id) WHERE m.person_id = s.person_id) AS memberships
      FROM session s LEFT JOIN person p USING (person_id)
     WHERE s.token_sha256 = ${hashSecret(token)} AND ${isValid()}`.execute(db)
  return rows[0] && sessionOf(rows[0])
}

/** SQL: whether the session `s` is neither over nor idle for too long. */
function isValid() {
  return sql<boolean>`s.expires_at > now()
    AND (s.person_id IS NULL OR s.last_used_at > now() - make_interval(hours => ${IDLE_HOURS_MAX}))`
}

interface SessionRow {
  session_id: string
  method: SessionMethod
  authenticated_at: string
  authenticated_seconds_ago: number
  is_use_due: boolean
  person_id: number | null
  name: string
  email: string | null
  is_operator: boolean
  memberships: [slug: string, tenantId: number, role: Role][] | null
}

function sessionOf(row: SessionRow): Session {
  const { person_id: personId, name, email, is_operator: isOperator } = row
  return {
    sessionId: row.session_id,
    method: row.method,
    person: personId === null ? null : { personId, name, email, isOperator },
    memberships: new Map(
      (row.memberships ?? []).map(([slug, tenantId, role]) => [slug, { tenantId, role }]),
    ),
    authenticatedAt: row.authenticated_at,
    authenticatedSecondsAgo: row.authenticated_seconds_ago,
    isUseDue: row.is_use_due,
  }
}

export async function isSessionValid(db: Database, token: string): Promise<boolean> {
  return (await readSession(db, token)) !== undefined
}

/** Records that a session was used, at most once a minute over all cores. */
export async function recordSessionUse(db: Database, sessionId: string): Promise<void> {
  await db
    .updateTable('session')
    .set({ last_used_at: sql<string>`now()` })
    .where('session_id', '=', sessionId)
    .where('last_used_at', '<', sql<string>`now() - interval '1 minute'`)
    .execute()
}

/**
 * For what a stolen or forgotten session must not do: change keys, roles and what cannot be undone.
 * @throws SIGN_IN_AGAIN unless its owner showed who they are within the last minutes
 */
export function requireRecentSignIn(
  session: Pick<Session, 'authenticatedSecondsAgo'> | undefined,
  minutes: number = RECENT_MINUTES,
): void {
  if (session !== undefined && session.authenticatedSecondsAgo <= minutes * 60) return
  throw new ApiError('SIGN_IN_AGAIN', undefined, { withinMinutes: minutes })
}

export async function endSession(db: Database, token: string): Promise<void> {
  await db.deleteFrom('session').where('token_sha256', '=', hashSecret(token)).execute()
}

/**
 * Ends one session of this owner.
 * @returns whether there was such a session; one of somebody else is as none
 */
export async function endSessionById(
  db: Database,
  personId: number | null,
  sessionId: string,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('session')
    .where('session_id', '=', sessionId)
    .where(sql<boolean>`person_id IS NOT DISTINCT FROM ${personId}::int`)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/**
 * Ends all sessions of a person, or of the operator by login links (null).
 * @param except the session that stays
 * @returns how many were ended
 */
export async function endSessionsOf(
  db: Database,
  personId: number | null,
  except?: string | undefined,
): Promise<number> {
  const { rows } = await sql`
    DELETE FROM session s WHERE person_id IS NOT DISTINCT FROM ${personId}::int
       AND session_id IS DISTINCT FROM ${except ?? null}::uuid
    RETURNING ${isValid()}`.execute(db)
  return rows.length
}

/**
 * Ends the sessions that a provider has ended: those of a subject, of one of its sessions, or of both together.
 * @returns how many were ended
 */
export async function endProviderSessions(
  db: Database,
  {
    issuer,
    subject,
    sid,
    begunBeforeS,
  }: {
    issuer: string
    subject?: string | undefined
    sid?: string | undefined
    /** Seconds since 1970. */
    begunBeforeS: number
  },
): Promise<number> {
  if (subject === undefined && sid === undefined) return 0
  const { rows } = await sql`
    DELETE FROM session s USING person p
     WHERE s.person_id = p.person_id AND s.method = 'oidc' AND p.issuer = ${issuer}
       AND (${subject ?? null}::text IS NULL OR p.subject = ${subject ?? null}::text)
       AND (${sid ?? null}::text IS NULL OR s.provider_session = ${sid ?? null}::text)
       AND s.created_at < to_timestamp(${begunBeforeS}::float8)
    RETURNING 1`.execute(db)
  return rows.length
}

/** As its owner sees it. */
export interface ListedSession {
  sessionId: string
  method: SessionMethod
  device: string | null
  address: string | null
  createdAt: string
  lastUsedAt: string
  expiresAt: string
  /** null: the operator, by a login link. */
  personId: number | null
  personName: string | null
}

const LISTED_MAX = 1_000

/** The newest first. @param personId null: the operator by login links; undefined: everybody */
export async function listSessions(
  db: Database,
  personId?: number | null,
): Promise<ListedSession[]> {
  const ofOwner =
    personId === undefined ? sql`true` : sql`s.person_id IS NOT DISTINCT FROM ${personId}::int`
  const { rows } = await sql<ListedSession>`
    SELECT s.session_id AS "sessionId", s.method, s.device, s.address, s.created_at AS "createdAt",
           s.last_used_at AS "lastUsedAt", s.person_id AS "personId", p.name AS "personName",
           CASE WHEN s.person_id IS NULL THEN s.expires_at
                ELSE least(s.expires_at, s.last_used_at + make_interval(hours => ${IDLE_HOURS_MAX})) END AS "expiresAt"
      FROM session s LEFT JOIN person p USING (person_id)
     WHERE ${ofOwner} AND ${isValid()}
     ORDER BY s.created_at DESC, s.session_id LIMIT ${LISTED_MAX}`.execute(db)
  return rows
}

/** Whether it has the form of a session token or login link; others are never looked up. */
export function looksLikeToken(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text)
}

/** 256 random bits. */
export function newToken(): string {
  return randomBytes(32).toString('base64url')
}
