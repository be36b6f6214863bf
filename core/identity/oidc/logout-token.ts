import { isObject } from '../../../contract/json/is-object.ts'
import { CLOCK_TOLERANCE_S, SignInInvalidError } from './check-claims.ts'

/** Whose sessions end: those of one session at the provider, or all of a person. */
export type LoggedOut = (
  | { sid: string; subject?: string }
  | { sid?: undefined; subject: string }
) & {
  /** Seconds since 1970. Sessions that began later are not meant, so the same token ends nothing twice. */
  begunBeforeS: number
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const AGE_S_MAX = 300
/** Providers from before the specification had a type of its own send JWT, or none. */
const TYPES = new Set(['logout+jwt', 'jwt'])

/**
 * OpenID Connect Back-Channel Logout 1.0, section 2.6.
 * @param claims of a token whose signature, iss, aud and exp were checked
 * @param type the `typ` of its header; those of other kinds of tokens are refused
 * @throws SignInInvalidError
 */
export function readLogoutToken(
  claims: Record<string, unknown>,
  type: string | undefined,
  nowS: number,
): LoggedOut {
  if (type !== undefined && !TYPES.has(type.toLowerCase()))
    throw new SignInInvalidError('the header of the logout token names another type')
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
  const begunBeforeS = iat + CLOCK_TOLERANCE_S
  if (typeof sid === 'string' && sid !== '')
    return { sid, ...(subject && { subject }), begunBeforeS }
  if (subject === undefined)
    throw new SignInInvalidError('the logout token has neither sub nor sid')
  return { subject, begunBeforeS }
}
