import { type Context, Hono } from 'hono'
import { deleteCookie, getCookie } from 'hono/cookie'
import { isObject } from '../../../contract/json/is-object.ts'
import { recordAudit } from '../../identity/audit/audit-log.ts'
import { sessionCookie } from '../../identity/credentials.ts'
import { redeemLoginLink } from '../../identity/login-links.ts'
import { hasPasskeys } from '../../identity/passkeys/passkeys.ts'
import { endSession, isSessionValid, looksLikeToken, readSession } from '../../identity/sessions.ts'
import { DEFAULT_SIGN_IN } from '../../identity/sign-in/sign-in-settings.ts'
import type { Logger } from '../../lib/logger.ts'
import { INVITATION_SCRIPT, invitationPage } from './pages/invitation.ts'
import { PROXY_PAGE, SIGN_IN_SCRIPT, type SignInMethods, signInPage } from './pages/sign-in.ts'
import { allowOnly } from './problem.ts'
import { isSameOrigin } from './security.ts'
import { backChannelLogout } from './sign-in/back-channel.ts'
import {
  auditedRequest,
  createDenialRecorder,
  type DenialRecorder,
  originOfSession,
  setSessionCookie,
} from './sign-in/begin-session.ts'
import { cookieOptions, relyingPartyOf } from './sign-in/browser.ts'
import {
  createSignInGuard,
  denied,
  eventOf,
  limitBody,
  needsPublicUrl,
  type SignInDeps,
  type SignInGuard,
} from './sign-in/guard.ts'
import { invitations } from './sign-in/invitations.ts'
import { oidcSignIn } from './sign-in/oidc.ts'
import { ownPasskeys } from './sign-in/own-passkeys.ts'
import { passkeySignIn } from './sign-in/passkeys.ts'

const BODY_BYTES_MAX = 1_024

/** All that signs browsers in and out: by a link, by a provider, by a passkey; and the pages for it. */
export function signIn(deps: SignInDeps & { logger?: Partial<Pick<Logger, 'warn'>> }): Hono {
  const { settings = DEFAULT_SIGN_IN, logger = {} } = deps
  const app = new Hono()
  const guard = createSignInGuard(deps)
  const recordDenial = createDenialRecorder(deps)
  const methodsOf = createMethods(deps)
  const all = { ...deps, settings, logger, guard, recordDenial }

  app.get('/login', async (c) =>
    needsPublicUrl(c, deps) ? c.html(PROXY_PAGE, 403) : c.html(signInPage(await methodsOf(c))),
  )
  app.get('/invitation', async (c) => {
    if (needsPublicUrl(c, deps)) return c.html(PROXY_PAGE, 403)
    const newPasskey = settings.passkeys && relyingPartyOf(c, deps.publicUrl) !== undefined
    return c.html(invitationPage({ ...(await methodsOf(c)), newPasskey }))
  })
  app.all('/invitation', allowOnly('GET, HEAD'))
  app.get('/v1/sign-in/methods', async (c) => c.json(await methodsOf(c)))
  app.all('/v1/sign-in/methods', allowOnly('GET, HEAD'))
  for (const [path, script] of [
    ['/sign-in.js', SIGN_IN_SCRIPT],
    ['/invitation.js', INVITATION_SCRIPT],
  ] as const)
    app.get(path, (c) => c.body(script, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }))

  app.route('/', signInByLink(all))
  app.route('/', oidcSignIn(all))
  app.route('/', backChannelLogout(all))
  app.route('/', passkeySignIn(all))
  app.route('/', invitations(all))
  app.route('/', ownPasskeys(all))
  app.route('/', signOut(deps))
  return app
}

function createMethods(deps: SignInDeps): (c: Context) => Promise<SignInMethods> {
  const { db, publicUrl, settings = DEFAULT_SIGN_IN } = deps
  const providers = settings.providers.map(({ id, name }) => ({ id, name }))
  // Everybody may open the page: however many do, one query runs at a time.
  let running: Promise<boolean> | undefined
  const arePasskeysKnown = () => {
    running ??= hasPasskeys(db).finally(() => {
      running = undefined
    })
    return running
  }
  return async (c) => ({
    link: settings.loginLink,
    // A button for what nobody has yet would only lead astray.
    passkey:
      settings.passkeys && relyingPartyOf(c, publicUrl) !== undefined && (await arePasskeysKnown()),
    providers,
  })
}

/** GET /login#token=… shows a button; POST /login, which the button sends, begins a session, once for each link. */
function signInByLink(
  deps: SignInDeps & { guard: SignInGuard; recordDenial: DenialRecorder },
): Hono {
  const { db, secure, securityLog, guard, settings = DEFAULT_SIGN_IN } = deps
  const app = new Hono()
  const tooLarge = limitBody(BODY_BYTES_MAX, 'Send {"token": "…"} and nothing else.')
  app.post('/login', tooLarge, async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    if (!settings.loginLink) return denied(c, deps, 'access-denied', 'SIGN_IN_LINKS_OFF')
    const body: unknown = await c.req.json().catch(() => undefined)
    const token = isObject(body) && typeof body.token === 'string' ? body.token : ''
    const from = originOfSession(c, deps)
    const session = looksLikeToken(token) ? await redeemLoginLink(db, token, from) : undefined
    if (session !== undefined) {
      const former = getCookie(c, sessionCookie(secure))
      await db.transaction().execute(async (tx) => {
        if (former !== undefined && looksLikeToken(former)) await endSession(tx, former)
        await recordAudit(
          tx,
          { kind: 'operator', ...auditedRequest(c, deps) },
          {
            ...{ tenantId: 0, action: 'session.begun', object: 'operator' },
            after: { method: 'link', device: from.device },
          },
        )
      })
      setSessionCookie(c, secure, session)
      securityLog?.record({ ...eventOf(c, deps), name: 'sign-in', outcome: 'allowed' })
      return c.body(null, 204)
    }
    const current = getCookie(c, sessionCookie(secure))
    // A used link does not stop a browser that is signed in already.
    if (current !== undefined && looksLikeToken(current) && (await isSessionValid(db, current)))
      return c.body(null, 204)
    // Of guesses nobody could count the entries.
    if (looksLikeToken(token))
      await deps.recordDenial(c, { method: 'link', code: 'SIGN_IN_LINK_INVALID' })
    return denied(c, deps, 'credentials-refused', 'SIGN_IN_LINK_INVALID')
  })
  app.all('/login', allowOnly('GET, HEAD, POST'))
  return app
}

/** POST /logout ends the session of this browser. */
function signOut(deps: SignInDeps): Hono {
  const { db, secure, securityLog } = deps
  const app = new Hono()
  const name = sessionCookie(secure)
  app.post('/logout', async (c) => {
    const token = getCookie(c, name)
    // A form of another site is sent without the cookie and must not delete it; one of another port is sent with it.
    if (token !== undefined && isSameOrigin(c)) {
      const session = looksLikeToken(token) ? await readSession(db, token) : undefined
      await db.transaction().execute(async (tx) => {
        await endSession(tx, token)
        if (!session) return
        const { person } = session
        const by = person
          ? ({ kind: 'person', personId: person.personId, name: person.name } as const)
          : ({ kind: 'operator' } as const)
        await recordAudit(
          tx,
          { ...by, ...auditedRequest(c, deps) },
          { tenantId: 0, action: 'session.ended', object: `session ${session.sessionId}` },
        )
      })
      deleteCookie(c, name, cookieOptions(secure))
      c.header('Clear-Site-Data', '"cache", "storage"')
      const actor = session?.person ? `person ${session.person.personId}` : 'operator'
      securityLog?.record({ ...eventOf(c, deps, actor), name: 'sign-out', outcome: 'allowed' })
    } else if (token !== undefined) denied(c, deps, 'cross-site-refused', 'CROSS_SITE_REFUSED')
    return c.redirect('/', 303)
  })
  app.all('/logout', allowOnly('POST'))
  return app
}
