import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import { addressGroup } from '../../../contract/address-group.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import type { Database } from '../../db/database.ts'
import { sessionCookie } from '../../identity/credentials.ts'
import { redeemLoginLink } from '../../identity/login-links.ts'
import {
  endSession,
  isSessionValid,
  looksLikeToken,
  SESSION_DAYS,
} from '../../identity/sessions.ts'
import type { SecurityEvent, SecurityLog } from '../../lib/security-log.ts'
import { createTokenBuckets } from '../../lib/token-buckets.ts'
import { type AddressOf, clientOf } from './client.ts'
import { PROXY_PAGE, SIGN_IN_PAGE, SIGN_IN_SCRIPT } from './pages/sign-in.ts'
import { allowOnly, sendProblem } from './problem.ts'
import { isSameOrigin } from './security.ts'
import type { SharedAttempts } from './shared-attempts.ts'

export interface SignInDeps {
  db: Database
  /** Whether browsers use https, so that the cookie is never sent without it. */
  secure: boolean
  publicUrl?: string | undefined
  addressOf?: AddressOf | undefined
  securityLog?: SecurityLog | undefined
  /** With a Redis, for all cores together. */
  sharedAttempts?: SharedAttempts | undefined
}

export const SIGN_INS_PER_MINUTE = 30
const BODY_BYTES_MAX = 1_024

/**
 * GET /login#token=… shows a button; POST /login, which the button sends, begins a session, once for each link.
 * POST /logout ends it.
 */
export function signIn(deps: SignInDeps): Hono {
  const { db, secure, securityLog } = deps
  const app = new Hono()
  const name = sessionCookie(secure)
  const cookie = { path: '/', httpOnly: true, sameSite: 'Lax', secure } as const
  const refuse = createRefusals(deps)

  app.get('/login', (c) =>
    needsPublicUrl(c, deps) ? c.html(PROXY_PAGE, 403) : c.html(SIGN_IN_PAGE),
  )
  app.get('/sign-in.js', (c) =>
    c.body(SIGN_IN_SCRIPT, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }),
  )

  const tooLarge = bodyLimit({
    maxSize: BODY_BYTES_MAX,
    onError: (c) => sendProblem(c, 'BODY_TOO_LARGE', {}, 'Send {"token": "…"} and nothing else.'),
  })
  app.post('/login', tooLarge, async (c) => {
    const refused = await refuse(c)
    if (refused) return refused
    const body: unknown = await c.req.json().catch(() => undefined)
    const token = isObject(body) && typeof body.token === 'string' ? body.token : ''
    const session = looksLikeToken(token) ? await redeemLoginLink(db, token) : undefined
    if (session !== undefined) {
      setCookie(c, name, session, { ...cookie, maxAge: SESSION_DAYS * 24 * 3600 } as CookieOptions)
      securityLog?.record({ ...eventOf(c, deps), name: 'sign-in', outcome: 'allowed' })
      return c.body(null, 204)
    }
    const current = getCookie(c, name)
    // A used link does not stop a browser that is signed in already.
    if (current !== undefined && looksLikeToken(current) && (await isSessionValid(db, current)))
      return c.body(null, 204)
    return denied(c, deps, 'credentials-refused', 'SIGN_IN_LINK_INVALID')
  })
  app.all('/login', allowOnly('GET, HEAD, POST'))

  app.post('/logout', async (c) => {
    const session = getCookie(c, name)
    // A form of another site is sent without the cookie and must not delete it; one of another port is sent with it.
    if (session !== undefined && isSameOrigin(c)) {
      await endSession(db, session)
      deleteCookie(c, name, cookie)
      c.header('Clear-Site-Data', '"cache", "storage"')
      securityLog?.record({ ...eventOf(c, deps), name: 'sign-out', outcome: 'allowed' })
    } else if (session !== undefined) denied(c, deps, 'cross-site-refused', 'CROSS_SITE_REFUSED')
    return c.redirect('/', 303)
  })
  app.all('/logout', allowOnly('POST'))
  return app
}

/** What refuses an attempt before its token is looked at. */
function createRefusals(deps: SignInDeps) {
  const attempts = createTokenBuckets({ perMinute: SIGN_INS_PER_MINUTE })
  return async (c: Context): Promise<Response | undefined> => {
    if (needsPublicUrl(c, deps)) return denied(c, deps, 'access-denied', 'PUBLIC_URL_MISSING')
    // Forms cannot send a header of their own, and pages of other origins not without a preflight.
    if (!isSameOrigin(c) || c.req.header('x-sluice-sign-in') === undefined)
      return denied(c, deps, 'cross-site-refused', 'CROSS_SITE_REFUSED')
    const client = clientOf(c, deps.addressOf).address ?? ''
    if (attempts.take(client) && ((await deps.sharedAttempts?.take(addressGroup(client))) ?? true))
      return undefined
    return denied(c, deps, 'limit-exceeded', 'TOO_MANY_ATTEMPTS', { 'Retry-After': '2' })
  }
}

/** A proxy may show core to anybody, under whatever name, with or without HTTPS. */
function needsPublicUrl(c: Context, { publicUrl, addressOf }: SignInDeps): boolean {
  return publicUrl === undefined && clientOf(c, addressOf).isForwarded
}

function denied(
  c: Context,
  deps: SignInDeps,
  name: SecurityEvent['name'],
  code: 'CROSS_SITE_REFUSED' | 'PUBLIC_URL_MISSING' | 'SIGN_IN_LINK_INVALID' | 'TOO_MANY_ATTEMPTS',
  headers: Record<string, string> = {},
): Response {
  deps.securityLog?.record({ ...eventOf(c, deps), name, outcome: 'denied', detail: code })
  return sendProblem(c, code, headers)
}

function eventOf(c: Context, { addressOf }: SignInDeps): Omit<SecurityEvent, 'name' | 'outcome'> {
  const { address } = clientOf(c, addressOf)
  return {
    actor: 'operator',
    requestId: c.get('requestId'),
    ...(address !== undefined && { address }),
  }
}
