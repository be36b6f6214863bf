import { isObject } from '../../../contract/json/is-object.ts'
import { CLOCK_TOLERANCE_S, SignInInvalidError } from './check-claims.ts'

/** Whose sessions end: those of one session at the provider, or all of a person. */
export type LoggedOut = { sid: string; subject?: string } | { sid?: undefined; subject: string }

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const AGE_S_MAX = 300

/**
 * OpenID Connect Back-Channel Logout 1.0, section 2.6.
 * @param claims of a token whose signature, iss, aud and exp were checked
 * @throws SignInInvalidError
 */
export function readLogoutToken(claims: Record<string, unknown>, nowS: number): LoggedOut {
  const { iat, jti, events, nonce, sub, sid } = claims
  // An ID token has a nonce and no event; neither can be taken for the other.
  if (!isObject(events) || !isObject(events[EVENT]))
    throw new SignInInvalidError('the token is not a logout token')
  if (nonce !== undefined) throw new SignInInvalidError('the logout token has a nonce')
  if (typeof jti !== 'string' || jti === '')
    throw new SignInInvalidError('the logout token has no jti')
  if (typeof iat !== 'number' || iat > nowS + CLOCK_TOLERANCE_S || iat < nowS - AGE_S_MAX)
    throw new SignInInvalidError('the logout token is not of the last minutes')
  const subject = typeof sub === 'string' && sub !== '' ? sub : undefined
  if (typeof sid === 'string' && sid !== '') return { sid, ...(subject && { subject }) }
  if (subject === undefined)
    throw new SignInInvalidError('the logout token has neither sub nor sid')
  return { subject }
}
