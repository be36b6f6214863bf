import { type Context, Hono } from 'hono'
import { recordAudit } from '../../../identity/audit/audit-log.ts'
import { SignInInvalidError } from '../../../identity/oidc/check-claims.ts'
import { ProviderUnavailableError } from '../../../identity/oidc/guarded-fetch.ts'
import { endProviderSessions } from '../../../identity/sessions.ts'
import { readDatabaseTime } from '../../../identity/sign-in/pending-sign-ins.ts'
import type { Logger } from '../../../lib/logger.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import { clientOf } from '../client.ts'
import { allowOnly, sendProblem } from '../problem.ts'
import { auditedRequest } from './begin-session.ts'
import { denied, eventOf, limitBody, type SignInDeps } from './guard.ts'

const BODY_BYTES_MAX = 16_384
const LOGOUTS_PER_MINUTE = 600

/**
 * POST /logout/oidc/{id}/back-channel: the provider ends sessions, by a logout token that it has signed (OpenID Connect
 * Back-Channel Logout 1.0). It comes from a server, without a cookie.
 */
export function backChannelLogout(
  deps: SignInDeps & { logger: Partial<Pick<Logger, 'warn'>> },
): Hono {
  const { db, providers = new Map(), logger } = deps
  const app = new Hono()
  const attempts = createTokenBuckets({ perMinute: LOGOUTS_PER_MINUTE })

  app.post('/logout/oidc/:id/back-channel', limitBody(BODY_BYTES_MAX), async (c) => {
    const provider = providers.get(c.req.param('id'))
    if (!provider) return sendProblem(c, 'NOT_FOUND')
    if (!attempts.take(clientOf(c, deps.addressOf).address ?? ''))
      return denied(c, deps, 'limit-exceeded', 'TOO_MANY_ATTEMPTS', { 'Retry-After': '60' })
    const tokens = await readTokens(c)
    const { id, issuer } = provider.settings
    try {
      if (tokens.length !== 1) throw new SignInInvalidError('the body has no single logout_token')
      const loggedOut = await provider.verifyLogoutToken(
        tokens[0] as string,
        await readDatabaseTime(db),
      )
      const { subject } = loggedOut
      await db.transaction().execute(async (tx) => {
        const sessions = await endProviderSessions(tx, { issuer, ...loggedOut })
        if (sessions === 0) return
        const actor = { kind: 'system', ...auditedRequest(c, deps) } as const
        const after = { sessions, subject, reason: 'back-channel logout' }
        const entry = {
          tenantId: 0,
          action: 'session.ended',
          object: `provider ${id}`,
          after,
        } as const
        await recordAudit(tx, actor, entry)
      })
      const event = eventOf(c, deps, `provider ${id}`)
      deps.securityLog?.record({ ...event, name: 'session-ended', outcome: 'allowed' })
      return c.body(null, 200)
    } catch (error) {
      const isInvalid = error instanceof SignInInvalidError
      if (!isInvalid && !(error instanceof ProviderUnavailableError)) throw error
      logger.warn?.({ provider: id, error: error.message }, 'a logout of a provider was refused')
      if (!isInvalid) return sendProblem(c, 'PROVIDER_UNAVAILABLE', { 'Retry-After': '5' })
      return denied(c, deps, 'credentials-refused', 'LOGOUT_TOKEN_INVALID')
    }
  })
  app.all('/logout/oidc/:id/back-channel', allowOnly('POST'))
  return app
}

async function readTokens(c: Context): Promise<string[]> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return []
  return new URLSearchParams(await c.req.text()).getAll('logout_token')
}
