import { readEmail } from '../people/people.ts'
import type { ProviderSettings } from '../sign-in/sign-in-settings.ts'

/** The provider's response does not prove who signs in. The message is for the log, and never for the browser. */
export class SignInInvalidError extends Error {
  override name = 'SignInInvalidError'
}

/** What is kept of an ID token. */
export interface ProviderClaims {
  issuer: string
  subject: string
  /** Only an address that the provider has verified. */
  email?: string
  name?: string
  /** The provider's own session (sid), by which it can end ours. */
  session?: string
  /** When the person gave their credentials to the provider, in seconds: long ago where it still knew them. */
  authenticatedS?: number
  /** Whether there is an address that it has not verified. */
  hasUnverifiedEmail: boolean
}

export interface ClaimTimes {
  /** Of Postgres, in seconds. */
  nowS: number
  begunS: number
  /** Whether the person was asked to sign in once more at the provider. */
  again: boolean
  /** Whether max_age was sent, with which a provider has to send auth_time (OpenID Connect Core 1.0, 3.1.2.1). */
  requiresAge: boolean
}

/** How far the clock of a provider may be from that of Postgres. */
export const CLOCK_TOLERANCE_S = 60

/** OpenID Connect Core 1.0, section 2: at most 255 ASCII characters. */
const SUBJECT = /^[ -~]{1,255}$/
const SESSION_CHARS_MAX = 255

/**
 * @returns when the person gave their credentials to the provider, in seconds, where it sends that
 * @throws SignInInvalidError
 */
export function checkTimes(
  claims: Record<string, unknown>,
  { nowS, begunS, again, requiresAge }: ClaimTimes,
): number | undefined {
  const { iat, auth_time: authenticated } = claims
  // It is issued for this sign-in: not before it began, and not in the future.
  if (typeof iat !== 'number' || iat > nowS + CLOCK_TOLERANCE_S || iat < begunS - CLOCK_TOLERANCE_S)
    throw new SignInInvalidError('the ID token was not issued during this sign-in')
  if (authenticated === undefined) {
    // Else a session that the provider still has would count as a recent sign-in.
    if (requiresAge)
      throw new SignInInvalidError(
        'the provider was asked for a new sign-in (max_age) and did not send its time (auth_time)',
      )
    return undefined
  }
  if (typeof authenticated !== 'number' || !Number.isFinite(authenticated))
    throw new SignInInvalidError('auth_time of the ID token is not a number')
  if (again && authenticated < begunS - CLOCK_TOLERANCE_S)
    throw new SignInInvalidError('the provider did not ask the person to sign in again')
  return Math.min(Math.max(authenticated, 0), nowS)
}

/**
 * @param claims of an ID token whose signature, iss, aud, exp and nonce were checked
 * @throws SignInInvalidError
 */
export function readClaims(
  { issuer, clientId, trustsEmail }: ProviderSettings,
  claims: Record<string, unknown>,
  authenticatedS?: number,
): ProviderClaims {
  const { sub, azp, email, name, sid } = claims
  if (azp !== undefined && azp !== clientId)
    throw new SignInInvalidError('the ID token was issued for another client (azp)')
  if (typeof sub !== 'string' || !SUBJECT.test(sub))
    throw new SignInInvalidError('the subject of the ID token is not valid')
  const address = typeof email === 'string' ? findEmail(email) : undefined
  const isVerified = trustsEmail || claims.email_verified === true
  return {
    issuer,
    subject: sub,
    ...(address !== undefined && isVerified && { email: address }),
    ...(typeof name === 'string' && { name }),
    ...(typeof sid === 'string' &&
      sid !== '' &&
      sid.length <= SESSION_CHARS_MAX && { session: sid }),
    ...(authenticatedS !== undefined && { authenticatedS }),
    hasUnverifiedEmail: address !== undefined && !isVerified,
  }
}

/** What is not an address invites nobody, and keeps nobody out. */
function findEmail(text: string): string | undefined {
  try {
    return readEmail(text)
  } catch {
    return undefined
  }
}
