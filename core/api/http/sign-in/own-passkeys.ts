import { type Context, Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import { isObject } from '../../../../contract/json/is-object.ts'
import { type AuditAction, recordAudit } from '../../../identity/audit/audit-log.ts'
import { sessionCookie } from '../../../identity/credentials.ts'
import {
  readCredential,
  registrationOptions,
  verifyRegistration,
} from '../../../identity/passkeys/ceremonies.ts'
import { saveChallenge, takeChallenge } from '../../../identity/passkeys/challenges.ts'
import {
  addPasskey,
  findUserHandle,
  listPasskeys,
  removePasskey,
} from '../../../identity/passkeys/passkeys.ts'
import type { Person } from '../../../identity/people/people.ts'
import {
  looksLikeToken,
  readSession,
  requireRecentSignIn,
  type Session,
} from '../../../identity/sessions.ts'
import type { SignInSettings } from '../../../identity/sign-in/sign-in-settings.ts'
import { ApiError } from '../../../lib/api-error.ts'
import { createTokenBuckets } from '../../../lib/token-buckets.ts'
import { clientOf } from '../client.ts'
import { allowOnly } from '../problem.ts'
import { auditedRequest } from './begin-session.ts'
import { beginPreLogin, endPreLogin, relyingPartyOf } from './browser.ts'
import {
  CREDENTIAL_BYTES_MAX,
  denied,
  limitBody,
  type SignInDeps,
  type SignInGuard,
} from './guard.ts'

const READS_PER_MINUTE = 120

export interface OwnPasskeysDeps extends SignInDeps {
  settings: SignInSettings
  guard: SignInGuard
}

/**
 * One's own passkeys, of people who sign in by passkey: GET /v1/passkeys, POST /v1/passkeys/options, POST /v1/passkeys
 * {credential, name}, DELETE /v1/passkeys/{id}. Changes need a sign-in of the last minutes.
 */
export function ownPasskeys(deps: OwnPasskeysDeps): Hono {
  const { db, guard, secure } = deps
  const app = new Hono()

  const reads = createTokenBuckets({ perMinute: READS_PER_MINUTE })
  app.get('/v1/passkeys', async (c) => {
    if (!reads.take(clientOf(c, deps.addressOf).address ?? ''))
      return denied(c, deps, 'limit-exceeded', 'TOO_MANY_ATTEMPTS', { 'Retry-After': '60' })
    const { person } = await requirePerson(c, deps)
    const passkeys = await listPasskeys(db, person.personId)
    return c.json({ data: passkeys.map(restOf) })
  })

  app.post('/v1/passkeys/options', limitBody(CREDENTIAL_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const { party, person, userHandle } = await requireOwner(c, deps)
    const existing = (await listPasskeys(db, person.personId)).map(({ id }) => id)
    const email = person.email ?? person.name
    const user = { handle: userHandle, email, name: person.name, existing }
    const options = await registrationOptions(party, user)
    await saveChallenge(db, {
      challenge: options.challenge,
      browserCookie: beginPreLogin(c, secure),
      address: clientOf(c, deps.addressOf).address ?? '',
      purpose: { kind: 'add', personId: person.personId },
    })
    return c.json(options)
  })

  app.post('/v1/passkeys', limitBody(CREDENTIAL_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const { party, person } = await requireOwner(c, deps)
    const body: unknown = await c.req.json().catch(() => undefined)
    const credential = isObject(body) ? readCredential(body.credential) : undefined
    if (!isObject(body) || !credential) throw new ApiError('PASSKEY_INVALID')
    const { challenge } = credential
    const { browserCookie } = endPreLogin(c, secure)
    const purpose = { kind: 'add', personId: person.personId } as const
    if (!(await takeChallenge(db, { challenge, browserCookie, purpose })))
      throw new ApiError('SIGN_IN_EXPIRED')
    const name = typeof body.name === 'string' ? body.name : ''
    const passkey = await verifyRegistration(party, body.credential, challenge, name)
    if (!passkey) throw new ApiError('PASSKEY_INVALID')
    const added = await db.transaction().execute(async (tx) => {
      const result = await addPasskey(tx, person.personId, passkey)
      await audit(tx, c, deps, person, 'passkey.added', result.id)
      return result
    })
    return c.json({ data: restOf(added) }, 201)
  })
  app.all('/v1/passkeys', allowOnly('GET, HEAD, POST'))
  app.all('/v1/passkeys/options', allowOnly('POST'))

  app.delete('/v1/passkeys/:id', async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const { person } = await requireOwner(c, deps)
    const id = c.req.param('id')
    await db.transaction().execute(async (tx) => {
      await removePasskey(tx, person.personId, id)
      await audit(tx, c, deps, person, 'passkey.removed', id)
    })
    return c.body(null, 204)
  })
  app.all('/v1/passkeys/:id', allowOnly('DELETE'))
  return app
}

/** @throws UNAUTHENTICATED; FORBIDDEN for the operator by a login link */
async function requirePerson(
  c: Context,
  { db, secure }: SignInDeps,
): Promise<{ session: Session; person: Person }> {
  const token = getCookie(c, sessionCookie(secure))
  const isToken = token !== undefined && looksLikeToken(token)
  const session = isToken ? await readSession(db, token) : undefined
  if (!session) throw new ApiError('UNAUTHENTICATED')
  if (!session.person)
    throw new ApiError('FORBIDDEN', 'The operator by sign-in link has no passkeys.')
  return { session, person: session.person }
}

/** @throws also SIGN_IN_AGAIN, and FORBIDDEN for people of a provider: a passkey would outlive their account there */
async function requireOwner(c: Context, deps: OwnPasskeysDeps) {
  const { session, person } = await requirePerson(c, deps)
  const party = deps.settings.passkeys ? relyingPartyOf(c, deps.publicUrl) : undefined
  if (!party) throw new ApiError('PASSKEYS_NOT_AVAILABLE')
  const userHandle = await findUserHandle(deps.db, person.personId)
  if (userHandle === undefined)
    throw new ApiError(
      'FORBIDDEN',
      'You sign in by a provider, which looks after your credentials.',
    )
  requireRecentSignIn(session)
  return { party, person, userHandle }
}

function audit(
  tx: SignInDeps['db'],
  c: Context,
  deps: SignInDeps,
  { personId, name }: Person,
  action: AuditAction,
  id: string,
) {
  const actor = { kind: 'person', personId, name, ...auditedRequest(c, deps) } as const
  return recordAudit(tx, actor, { tenantId: 0, action, object: `passkey ${id.slice(0, 32)}` })
}

function restOf(passkey: Awaited<ReturnType<typeof listPasskeys>>[number]) {
  const { id, name, createdAt, lastUsedAt } = passkey
  return { id, name, created_at: createdAt, last_used_at: lastUsedAt }
}
