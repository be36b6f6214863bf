import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import type { RelyingParty } from '../../../identity/passkeys/ceremonies.ts'
import { newToken } from '../../../identity/sessions.ts'
import { isLoopbackHost } from '../security.ts'

const PRE_LOGIN_SECONDS = 600

/**
 * Binds what a browser begins to this browser, until it has signed in. Its value is a random secret, followed by the
 * token of an invitation where there is one: that is kept by the browser alone.
 */
export function preLoginCookie(secure: boolean): string {
  return secure ? '__Host-sluice_pre_login' : 'sluice_pre_login'
}

/** @returns the new value */
export function beginPreLogin(c: Context, secure: boolean, invitation?: string): string {
  const value = invitation === undefined ? newToken() : `${newToken()}.${invitation}`
  const options = { ...cookieOptions(secure), maxAge: PRE_LOGIN_SECONDS } as CookieOptions
  setCookie(c, preLoginCookie(secure), value, options)
  return value
}

/** @returns what the browser sent, unchecked, and deletes it */
export function endPreLogin(
  c: Context,
  secure: boolean,
): { browserCookie: string; invitation: string | undefined } {
  const value = getCookie(c, preLoginCookie(secure)) ?? ''
  deleteCookie(c, preLoginCookie(secure), cookieOptions(secure))
  return { browserCookie: value, invitation: value.split('.', 2)[1] }
}

export function cookieOptions(secure: boolean) {
  // Lax: a browser that comes back from its provider sends it.
  return { path: '/', httpOnly: true, sameSite: 'Lax', secure } as const
}

/** The origin under which the browser opened this page; the host was checked by `knownHosts`. */
export function originOf(c: Context, publicUrl: string | undefined): string {
  const { protocol, host } = new URL(c.req.url)
  const sent = c.req.header('host') ?? host
  if (publicUrl !== undefined && !isLoopbackHost(sent)) return new URL(publicUrl).origin
  return `${protocol}//${sent.toLowerCase()}`
}

/** @returns undefined under an IP address, for which browsers make no passkeys */
export function relyingPartyOf(
  c: Context,
  publicUrl: string | undefined,
): RelyingParty | undefined {
  const origin = originOf(c, publicUrl)
  const { hostname } = new URL(origin)
  return /^\[|^[\d.]+$/.test(hostname) ? undefined : { id: hostname, origin }
}

const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdg(?:e|A|iOS)?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Headless)?Chrom(?:e|ium)\/|\bCriOS\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
]
const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad)\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** Such as `Firefox on Linux`, for the list of sessions; undefined for what is not a browser that we know. */
export function deviceOf(userAgent: string | undefined): string | undefined {
  const find = (names: typeof BROWSERS) => names.find(([form]) => form.test(userAgent ?? ''))?.[1]
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)]
  return browser && system ? `${browser} on ${system}` : (browser ?? system)
}
