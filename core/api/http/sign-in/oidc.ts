import { type Context, Hono } from 'hono'
import { isObject } from '../../../../contract/json/is-object.ts'
import { SignInInvalidError } from '../../../identity/oidc/check-claims.ts'
import { ProviderUnavailableError } from '../../../identity/oidc/guarded-fetch.ts'
import type { Provider } from '../../../identity/oidc/provider.ts'
import { looksLikeToken } from '../../../identity/sessions.ts'
import { admitPerson } from '../../../identity/sign-in/admit-person.ts'
import {
  beginPendingSignIn,
  takePendingSignIn,
} from '../../../identity/sign-in/pending-sign-ins.ts'
import { readReturnPath } from '../../../identity/sign-in/return-path.ts'
import { ApiError } from '../../../lib/api-error.ts'
import type { Logger } from '../../../lib/logger.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import { clientOf } from '../client.ts'
import { failedPage, notMemberPage } from '../pages/sign-in-failed.ts'
import { allowOnly, type ProblemCode, sendProblem } from '../problem.ts'
import { auditedRequest, type DenialRecorder, startSession } from './begin-session.ts'
import { beginPreLogin, endPreLogin, originOf } from './browser.ts'
import { eventOf, isDenialAudited, limitBody, type SignInDeps, type SignInGuard } from './guard.ts'

export interface OidcDeps extends SignInDeps {
  guard: SignInGuard
  recordDenial: DenialRecorder
  logger: Partial<Pick<Logger, 'warn'>>
}

const BODY_BYTES_MAX = 4_096
export const CALLBACKS_PER_MINUTE = 60

/**
 * POST /login/oidc/{id} {return_to?, invitation?, again?} returns {url}, which the page opens; the provider sends the
 * browser to GET /login/oidc/{id}/callback, which begins a session.
 */
export function oidcSignIn(deps: OidcDeps): Hono {
  const { db, secure, publicUrl, providers = new Map(), guard } = deps
  const app = new Hono()
  const callbacks = createTokenBuckets({ perMinute: CALLBACKS_PER_MINUTE })

  app.post('/login/oidc/:id', limitBody(BODY_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const provider = providers.get(c.req.param('id'))
    if (!provider) return sendProblem(c, 'NOT_FOUND')
    const body: unknown = await c.req.json().catch(() => undefined)
    if (!isObject(body)) return sendProblem(c, 'INVALID_JSON')
    const returnTo = readReturnPath(body.return_to)
    const { invitation } = body
    if (invitation !== undefined && (typeof invitation !== 'string' || !looksLikeToken(invitation)))
      return sendProblem(c, 'INVITATION_NOT_FOUND')
    const again = body.again === true
    const redirectUri = `${originOf(c, publicUrl)}/login/oidc/${provider.settings.id}/callback`
    const browserCookie = beginPreLogin(c, secure, invitation)
    const pending = await beginPendingSignIn(db, {
      ...{ provider: provider.settings.id, browserCookie, redirectUri, returnTo, again },
      address: clientOf(c, deps.addressOf).address ?? '',
    })
    try {
      const url = await provider.authorizationUrl({ ...pending, redirectUri, again })
      return c.json({ url: url.href })
    } catch (error) {
      logFailure(c, deps, provider, error)
      return sendProblem(c, 'PROVIDER_UNAVAILABLE', { 'Retry-After': '5' })
    }
  })
  app.all('/login/oidc/:id', allowOnly('POST'))

  app.get('/login/oidc/:id/callback', async (c) => {
    const provider = providers.get(c.req.param('id'))
    if (!provider) return c.html(failedPage('NOT_FOUND'), 404)
    if (!callbacks.take(clientOf(c, deps.addressOf).address ?? ''))
      return c.html(failedPage('TOO_MANY_ATTEMPTS'), 429, { 'Retry-After': '60' })
    const pre = endPreLogin(c, secure)
    const result = await finishSignIn(c, deps, provider, pre)
    if (result.kind === 'ok') return c.redirect(result.returnTo, 303)
    const { code, page } = result
    await deps.recordDenial(c, {
      ...{ method: 'oidc', code, provider: provider.settings.id },
      ...result.who,
    })
    deps.securityLog?.record(
      {
        ...eventOf(c, deps, `provider ${provider.settings.id}`),
        ...{ name: 'credentials-refused', outcome: 'denied', detail: code },
      },
      { isAudited: isDenialAudited(c) },
    )
    return c.html(page, statusOf(code))
  })
  app.all('/login/oidc/:id/callback', allowOnly('GET, HEAD'))
  return app
}

type Finished =
  | { kind: 'ok'; returnTo: string }
  | {
      kind: 'denied'
      code: ProblemCode
      page: string
      who?: { issuer: string; subject: string }
    }

async function finishSignIn(
  c: Context,
  deps: OidcDeps,
  provider: Provider,
  { browserCookie, invitation }: { browserCookie: string; invitation: string | undefined },
): Promise<Finished> {
  const { db, settings } = deps
  const deny = (code: ProblemCode): Finished => ({ kind: 'denied', code, page: failedPage(code) })
  const query = new URL(c.req.url).searchParams
  const state = query.get('state') ?? ''
  // A doubled parameter is read by one part as the first, and by another as the last.
  if (new Set(query.keys()).size !== [...query.keys()].length || !looksLikeToken(state))
    return deny('SIGN_IN_INVALID')
  const { id } = provider.settings
  const pending = await takePendingSignIn(db, { state, provider: id, browserCookie })
  if (!pending) return deny('SIGN_IN_EXPIRED')
  try {
    const callback = new URL(`${pending.redirectUri}?${query}`)
    const claims = await provider.redeem(callback, { ...pending, state })
    const person = await admitPerson(db, claims, {
      from: auditedRequest(c, deps),
      invitation,
      operators: settings?.operators ?? [],
    })
    const who = { issuer: claims.issuer, subject: claims.subject }
    if (!person) {
      const page = notMemberPage({ ...claims, contact: settings?.contact })
      return { kind: 'denied', code: 'NOT_A_MEMBER', page, who }
    }
    const { session: providerSession, authenticatedS } = claims
    const begun = { person, provider: id, providerSession, authenticatedS }
    await startSession(c, deps, { ...begun, method: 'oidc' })
    return { kind: 'ok', returnTo: pending.returnTo }
  } catch (error) {
    if (error instanceof ApiError) return deny(error.code)
    logFailure(c, deps, provider, error)
    return deny(error instanceof SignInInvalidError ? 'SIGN_IN_INVALID' : 'PROVIDER_UNAVAILABLE')
  }
}

/** @throws what is no failure of the provider */
function logFailure(c: Context, deps: OidcDeps, provider: Provider, error: unknown): void {
  if (!(error instanceof SignInInvalidError || error instanceof ProviderUnavailableError))
    throw error
  deps.logger.warn?.(
    { provider: provider.settings.id, error: error.message, request_id: c.get('requestId') },
    error instanceof SignInInvalidError
      ? 'a sign-in was refused: the response of the provider is not valid'
      : 'a provider of sign-ins does not respond as it should',
  )
}

function statusOf(code: ProblemCode): 400 | 401 | 403 | 404 | 409 | 503 {
  if (code === 'PROVIDER_UNAVAILABLE') return 503
  if (code === 'NOT_A_MEMBER' || code === 'INVITATION_FOR_ANOTHER') return 403
  if (code === 'INVITATION_NOT_FOUND') return 404
  if (code === 'MEMBER_LIMIT_REACHED') return 409
  return 400
}
