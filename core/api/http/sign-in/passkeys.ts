import { type Context, Hono } from 'hono'
import { isObject } from '../../../../contract/json/is-object.ts'
import {
  authenticationOptions,
  readCredential,
  verifyAuthentication,
} from '../../../identity/passkeys/ceremonies.ts'
import { saveChallenge, takeChallenge } from '../../../identity/passkeys/challenges.ts'
import { findPasskey, recordPasskeyUse } from '../../../identity/passkeys/passkeys.ts'
import { findPerson, PASSKEY_ISSUER } from '../../../identity/people/people.ts'
import { admitPerson } from '../../../identity/sign-in/admit-person.ts'
import { readReturnPath } from '../../../identity/sign-in/return-path.ts'
import type { SignInSettings } from '../../../identity/sign-in/sign-in-settings.ts'
import { ApiError } from '../../../lib/api-error.ts'
import { clientOf } from '../client.ts'
import { allowOnly, type ProblemCode, sendProblem } from '../problem.ts'
import { auditedRequest, type DenialRecorder, startSession } from './begin-session.ts'
import { beginPreLogin, endPreLogin, relyingPartyOf } from './browser.ts'
import {
  CREDENTIAL_BYTES_MAX,
  denied,
  limitBody,
  type SignInDeps,
  type SignInGuard,
} from './guard.ts'

export interface PasskeyDeps extends SignInDeps {
  settings: SignInSettings
  guard: SignInGuard
  recordDenial: DenialRecorder
}

/**
 * POST /login/passkey/options returns what the browser asks its authenticator to sign; POST /login/passkey/verify
 * {credential, return_to?, invitation?} begins a session and returns {return_to}.
 */
export function passkeySignIn(deps: PasskeyDeps): Hono {
  const { db, secure, publicUrl, guard } = deps
  const app = new Hono()
  const body = limitBody(CREDENTIAL_BYTES_MAX)

  app.post('/login/passkey/options', body, async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const party = deps.settings.passkeys ? relyingPartyOf(c, publicUrl) : undefined
    if (!party) return sendProblem(c, 'PASSKEYS_NOT_AVAILABLE')
    const options = await authenticationOptions(party)
    await saveChallenge(db, {
      challenge: options.challenge,
      browserCookie: beginPreLogin(c, secure),
      address: clientOf(c, deps.addressOf).address ?? '',
      purpose: { kind: 'sign-in' },
    })
    return c.json(options)
  })

  app.post('/login/passkey/verify', body, async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const sent: unknown = await c.req.json().catch(() => undefined)
    if (!isObject(sent)) return sendProblem(c, 'INVALID_JSON')
    const returnTo = readReturnPath(sent.return_to)
    const invitation = typeof sent.invitation === 'string' ? sent.invitation : undefined
    const { browserCookie } = endPreLogin(c, secure)
    const code = await signInByPasskey(c, deps, {
      credential: sent.credential,
      browserCookie,
      invitation,
    })
    if (code === undefined) return c.json({ return_to: returnTo })
    await deps.recordDenial(c, { method: 'passkey', code })
    return denied(c, deps, 'credentials-refused', code)
  })
  for (const path of ['options', 'verify']) app.all(`/login/passkey/${path}`, allowOnly('POST'))
  return app
}

/** @returns why it is refused; undefined once the browser has a session */
async function signInByPasskey(
  c: Context,
  deps: PasskeyDeps,
  sent: { credential: unknown; browserCookie: string; invitation: string | undefined },
): Promise<ProblemCode | undefined> {
  const { db, publicUrl } = deps
  const party = deps.settings.passkeys ? relyingPartyOf(c, publicUrl) : undefined
  const credential = readCredential(sent.credential)
  if (!party || !credential) return 'PASSKEY_INVALID'
  const { challenge } = credential
  const { browserCookie, invitation } = sent
  const taken = await takeChallenge(db, { challenge, browserCookie, purpose: { kind: 'sign-in' } })
  if (!taken) return 'SIGN_IN_EXPIRED'
  const passkey = await findPasskey(db, credential.id)
  if (!passkey) return 'PASSKEY_INVALID'
  const counter = await verifyAuthentication(party, sent.credential, challenge, passkey)
  if (counter === undefined) return 'PASSKEY_INVALID'
  if (!(await recordPasskeyUse(db, passkey.credentialId, counter))) return 'PASSKEY_INVALID'
  const owner = await findPerson(db, passkey.personId)
  const who = {
    ...{ issuer: PASSKEY_ISSUER, subject: passkey.userHandle },
    // Proves nothing. While there are passkeys, the link of an invitation does; the address keeps people from mistakes.
    ...(owner?.email && { email: owner.email }),
  }
  try {
    const person = await admitPerson(db, who, { invitation, from: auditedRequest(c, deps) })
    if (!person) return 'NOT_A_MEMBER'
    await startSession(c, deps, { person, method: 'passkey' })
    return undefined
  } catch (error) {
    if (error instanceof ApiError) return error.code
    throw error
  }
}
