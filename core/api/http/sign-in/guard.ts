import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { addressGroup } from '../../../../contract/address-group.ts'
import type { Database } from '../../../db/database.ts'
import type { Provider } from '../../../identity/oidc/provider.ts'
import type { SignInSettings } from '../../../identity/sign-in/sign-in-settings.ts'
import type { SecurityEvent, SecurityLog } from '../../../lib/security-log.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import { type AddressOf, clientOf } from '../client.ts'
import { type ProblemCode, sendProblem } from '../problem.ts'
import { isSameOrigin } from '../security.ts'
import type { SharedAttempts } from '../shared-attempts.ts'

export interface SignInDeps {
  db: Database
  /** Whether browsers use https, so that cookies are never sent without it. */
  secure: boolean
  publicUrl?: string | undefined
  addressOf?: AddressOf | undefined
  securityLog?: SecurityLog | undefined
  /** With a Redis, for all cores together. */
  sharedAttempts?: SharedAttempts | undefined
  /** Sign-in links alone, unless given. */
  settings?: SignInSettings
  /** By id. */
  providers?: ReadonlyMap<string, Provider>
}

export const SIGN_INS_PER_MINUTE = 30
export const CREDENTIAL_BYTES_MAX = 16_384

/** What refuses an attempt before anything of it is looked at. */
export type SignInGuard = (c: Context) => Promise<Response | undefined>

export function createSignInGuard(deps: SignInDeps): SignInGuard {
  const attempts = createTokenBuckets({ perMinute: SIGN_INS_PER_MINUTE })
  return async (c) => {
    if (needsPublicUrl(c, deps)) return denied(c, deps, 'access-denied', 'PUBLIC_URL_MISSING')
    const foreign = checkOwnPage(c, deps)
    if (foreign) return foreign
    const client = clientOf(c, deps.addressOf).address ?? ''
    if (attempts.take(client) && ((await deps.sharedAttempts?.take(addressGroup(client))) ?? true))
      return undefined
    return denied(c, deps, 'limit-exceeded', 'TOO_MANY_ATTEMPTS', { 'Retry-After': '2' })
  }
}

/** Forms cannot send a header of their own, and pages of other origins not without a preflight. */
export function checkOwnPage(c: Context, deps: SignInDeps): Response | undefined {
  if (isSameOrigin(c) && c.req.header('x-sluice-sign-in') !== undefined) return undefined
  return denied(c, deps, 'cross-site-refused', 'CROSS_SITE_REFUSED')
}

/** A proxy may show core to anybody, under whatever name, with or without HTTPS. */
export function needsPublicUrl(c: Context, { publicUrl, addressOf }: SignInDeps): boolean {
  return publicUrl === undefined && clientOf(c, addressOf).isForwarded
}

export function denied(
  c: Context,
  deps: SignInDeps,
  name: SecurityEvent['name'],
  code: ProblemCode,
  headers: Record<string, string> = {},
  detail?: string,
): Response {
  // Who was refused is nobody yet.
  const { actor: _, ...event } = eventOf(c, deps)
  deps.securityLog?.record(
    { ...event, name, outcome: 'denied', detail: code },
    { isAudited: isDenialAudited(c) },
  )
  return sendProblem(c, code, headers, detail)
}

/** The request has an entry in the audit log that names what was refused. */
export function markDenialAudited(c: Context): void {
  c.set('isDenialAudited', true)
}

export function isDenialAudited(c: Context): boolean {
  return c.get('isDenialAudited') === true
}

export function eventOf(
  c: Context,
  { addressOf }: SignInDeps,
  actor = 'operator',
): Omit<SecurityEvent, 'name' | 'outcome'> {
  const { address } = clientOf(c, addressOf)
  return {
    actor,
    requestId: c.get('requestId'),
    ...(address !== undefined && { address }),
  }
}

export function limitBody(maxSize: number, detail?: string) {
  return bodyLimit({ maxSize, onError: (c) => sendProblem(c, 'BODY_TOO_LARGE', {}, detail) })
}
