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
  /** Whether there is an address that it has not verified. */
  hasUnverifiedEmail: boolean
}

export interface ClaimTimes {
  /** Of Postgres, in seconds. */
  nowS: number
  begunS: number
  /** Whether the person was asked to sign in once more at the provider. */
  again: boolean
}

/** How far the clock of a provider may be from that of Postgres. */
export const CLOCK_TOLERANCE_S = 60

const SUBJECT_CHARS_MAX = 255
const SESSION_CHARS_MAX = 255

/** @throws SignInInvalidError */
export function checkTimes(
  claims: Record<string, unknown>,
  { nowS, begunS, again }: ClaimTimes,
): void {
  const { iat, auth_time: authenticated } = claims
  // It is issued for this sign-in: not before it began, and not in the future.
  if (typeof iat !== 'number' || iat > nowS + CLOCK_TOLERANCE_S || iat < begunS - CLOCK_TOLERANCE_S)
    throw new SignInInvalidError('the ID token was not issued during this sign-in')
  if (!again || authenticated === undefined) return
  if (typeof authenticated !== 'number' || authenticated < begunS - CLOCK_TOLERANCE_S)
    throw new SignInInvalidError('the provider did not ask the person to sign in again')
}

/**
 * @param claims of an ID token whose signature, iss, aud, exp and nonce were checked
 * @throws SignInInvalidError
 */
export function readClaims(
  { issuer, clientId, trustsEmail }: ProviderSettings,
  claims: Record<string, unknown>,
): ProviderClaims {
  const { sub, azp, email, name, sid } = claims
  if (azp !== undefined && azp !== clientId)
    throw new SignInInvalidError('the ID token was issued for another client (azp)')
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_CHARS_MAX)
    throw new SignInInvalidError('the subject of the ID token is not valid')
  const hasEmail = typeof email === 'string' && email !== ''
  const isVerified = trustsEmail || claims.email_verified === true
  return {
    issuer,
    subject: sub,
    ...(hasEmail && isVerified && { email: email.toLowerCase() }),
    ...(typeof name === 'string' && { name }),
    ...(typeof sid === 'string' &&
      sid !== '' &&
      sid.length <= SESSION_CHARS_MAX && { session: sid }),
    hasUnverifiedEmail: hasEmail && !isVerified,
  }
}
