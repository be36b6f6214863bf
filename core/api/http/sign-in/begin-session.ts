import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import { sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { type AuditActor, recordAudit } from '../../../identity/audit/audit-log.ts'
import { sessionCookie } from '../../../identity/credentials.ts'
import { hashSecret } from '../../../identity/hash-secret.ts'
import type { Person } from '../../../identity/people/people.ts'
import {
  beginSession,
  endSession,
  looksLikeToken,
  SESSION_DAYS,
} from '../../../identity/sessions.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import { clientOf } from '../client.ts'
import { cookieOptions, deviceOf } from './browser.ts'
import { eventOf, markDenialAudited, type SignInDeps } from './guard.ts'

export interface BegunSession {
  person: Person
  method: 'oidc' | 'passkey'
  /** The id of the provider, for the audit log. */
  provider?: string
  providerSession?: string | undefined
  /** When the person gave their credentials, in seconds; now, unless given. */
  authenticatedS?: number | undefined
}

/** Gives the browser a session with a new token, and ends the one that it had. */
export async function startSession(
  c: Context,
  deps: SignInDeps,
  { person, method, provider, providerSession, authenticatedS }: BegunSession,
): Promise<void> {
  const from = originOfSession(c, deps)
  const { personId, name } = person
  const former = getCookie(c, sessionCookie(deps.secure))
  const token = await deps.db.transaction().execute(async (tx) => {
    if (former !== undefined && looksLikeToken(former)) await endSession(tx, former)
    const begun = await beginSession(tx, { personId, method, providerSession, ...from })
    if (authenticatedS !== undefined) await dateSignIn(tx, begun, authenticatedS)
    await recordAudit(
      tx,
      { kind: 'person', personId, name, ...auditedRequest(c, deps) },
      {
        tenantId: 0,
        action: 'session.begun',
        object: `person ${personId}`,
        after: { method, device: from.device, provider },
      },
    )
    return begun
  })
  setSessionCookie(c, deps.secure, token)
  const actor = `person ${personId}`
  deps.securityLog?.record({ ...eventOf(c, deps, actor), name: 'sign-in', outcome: 'allowed' })
}

/** A provider that still knew the person has asked for no credentials: such a sign-in is as old as those. */
async function dateSignIn(tx: Database, token: string, authenticatedS: number): Promise<void> {
  await tx
    .updateTable('session')
    .set({
      authenticated_at: sql<string>`least(authenticated_at, to_timestamp(${authenticatedS}))`,
    })
    .where('token_sha256', '=', hashSecret(token))
    .execute()
}

export function setSessionCookie(c: Context, secure: boolean, token: string): void {
  const maxAge = SESSION_DAYS * 24 * 3600
  setCookie(c, sessionCookie(secure), token, { ...cookieOptions(secure), maxAge } as CookieOptions)
}

/** Shown to its owner in the list of sessions. */
export function originOfSession(c: Context, { addressOf }: SignInDeps) {
  return { device: deviceOf(c.req.header('user-agent')), address: clientOf(c, addressOf).address }
}

export function auditedRequest(
  c: Context,
  { addressOf }: SignInDeps,
): Pick<AuditActor, 'address' | 'requestId'> {
  return { address: clientOf(c, addressOf).address, requestId: c.get('requestId') }
}

/** What was refused, and why, as stable words. */
export interface DeniedSignIn {
  method: 'link' | 'oidc' | 'passkey' | 'invitation'
  code: string
  provider?: string
  issuer?: string
  subject?: string
}

export const DENIALS_PER_MINUTE = { address: 10, all: 60 } as const

/**
 * Writes refused sign-ins to the audit log. Strangers cause them: of a flood there are the first ones, and one address
 * alone cannot keep those of others out.
 */
export function createDenialRecorder(deps: SignInDeps) {
  const ofAddress = createTokenBuckets({ perMinute: DENIALS_PER_MINUTE.address })
  const ofAll = createTokenBuckets({ perMinute: DENIALS_PER_MINUTE.all, clientsMax: 1 })
  return async (c: Context, { method, ...after }: DeniedSignIn): Promise<void> => {
    const { address = '' } = clientOf(c, deps.addressOf)
    if (!ofAddress.take(address) || !ofAll.take('all')) return
    await deps.db
      .transaction()
      .execute((tx) =>
        recordAudit(
          tx,
          { kind: 'system', ...auditedRequest(c, deps) },
          { tenantId: 0, action: 'sign-in.refused', object: `sign-in ${method}`, after },
        ),
      )
    markDenialAudited(c)
  }
}

export type DenialRecorder = ReturnType<typeof createDenialRecorder>
