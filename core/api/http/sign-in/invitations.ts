import { randomBytes } from 'node:crypto'
import { type Context, Hono } from 'hono'
import { getCookie } from 'hono/cookie'
import { isObject } from '../../../../contract/json/is-object.ts'
import { sessionCookie } from '../../../identity/credentials.ts'
import { acceptByPasskey } from '../../../identity/passkeys/accept-by-passkey.ts'
import {
  readCredential,
  registrationOptions,
  verifyRegistration,
} from '../../../identity/passkeys/ceremonies.ts'
import { saveChallenge, takeChallenge } from '../../../identity/passkeys/challenges.ts'
import { acceptInvitation, previewInvitation } from '../../../identity/people/invitations.ts'
import { looksLikeToken, readSession } from '../../../identity/sessions.ts'
import type { SignInSettings } from '../../../identity/sign-in/sign-in-settings.ts'
import { ApiError } from '../../../lib/api-error.ts'
import { clientOf } from '../client.ts'
import { allowOnly, sendProblem } from '../problem.ts'
import { auditedRequest, type DenialRecorder, startSession } from './begin-session.ts'
import { beginPreLogin, endPreLogin, relyingPartyOf } from './browser.ts'
import {
  CREDENTIAL_BYTES_MAX,
  denied,
  limitBody,
  type SignInDeps,
  type SignInGuard,
} from './guard.ts'

export interface InvitationDeps extends SignInDeps {
  guard: SignInGuard
  recordDenial: DenialRecorder
  settings: SignInSettings
}

const BODY_BYTES_MAX = 4_096
const NAME_CHARS_MAX = 200

/**
 * What the page of an invitation's link calls: POST /invitation/preview {token}; to accept as who is signed in, POST
 * /invitation/accept/session {token}; with a new passkey, POST /invitation/accept/passkey/{options,verify}
 * {token, name, credential}. With a provider or a passkey that exists, signing in accepts it.
 */
export function invitations(deps: InvitationDeps): Hono {
  const { db, guard } = deps
  const app = new Hono()

  app.post('/invitation/preview', limitBody(BODY_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const sent = await readInvitation(c, deps)
    if (sent instanceof Response) return sent
    const { tenant, role, email, invitedBy, expiresAt } = sent.invitation
    const signedIn = (await signedInSession(c, deps))?.person
    return c.json({
      ...{ tenant, role, email, invited_by: invitedBy, expires_at: expiresAt },
      signed_in: signedIn ? { name: signedIn.name, email: signedIn.email } : null,
    })
  })

  app.post('/invitation/accept/session', limitBody(BODY_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const session = await signedInSession(c, deps)
    const person = session?.person
    if (!person) return sendProblem(c, 'UNAUTHENTICATED')
    const sent = await readInvitation(c, deps)
    if (sent instanceof Response) return sent
    // Nobody has verified the address of a person with a passkey. Where passkeys are on, the link alone is enough.
    const isProven = session.method !== 'passkey' || deps.settings.passkeys
    const verifiedEmail = (isProven && person.email) || undefined
    const { tenant, role } = await acceptInvitation(db, {
      token: sent.token,
      person,
      verifiedEmail,
      from: auditedRequest(c, deps),
    })
    return c.json({ return_to: '/', tenant, role })
  })

  app.post('/invitation/accept/passkey/options', limitBody(BODY_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const party = deps.settings.passkeys ? relyingPartyOf(c, deps.publicUrl) : undefined
    if (!party) return sendProblem(c, 'PASSKEYS_NOT_AVAILABLE')
    const sent = await readInvitation(c, deps)
    if (sent instanceof Response) return sent
    const { email } = sent.invitation
    const handle = randomBytes(32).toString('base64url')
    const user = { handle, email, name: sent.name || email, existing: [] }
    const options = await registrationOptions(party, user)
    await saveChallenge(db, {
      challenge: options.challenge,
      browserCookie: beginPreLogin(c, deps.secure),
      address: clientOf(c, deps.addressOf).address ?? '',
      purpose: { kind: 'accept', invitation: sent.token, userHandle: handle },
    })
    return c.json(options)
  })

  app.post('/invitation/accept/passkey/verify', limitBody(CREDENTIAL_BYTES_MAX), async (c) => {
    const refused = await guard(c)
    if (refused) return refused
    const sent = await readInvitation(c, deps)
    return sent instanceof Response ? sent : acceptWithNewPasskey(c, deps, sent)
  })

  for (const path of [
    'preview',
    'accept/session',
    'accept/passkey/options',
    'accept/passkey/verify',
  ])
    app.all(`/invitation/${path}`, allowOnly('POST'))
  return app
}

interface SentInvitation {
  token: string
  invitation: NonNullable<Awaited<ReturnType<typeof previewInvitation>>>
  name: string
  credential: unknown
}

/** One response for what is unknown, used, revoked and expired. */
async function readInvitation(
  c: Context,
  deps: InvitationDeps,
): Promise<SentInvitation | Response> {
  const body: unknown = await c.req.json().catch(() => undefined)
  const token = isObject(body) && typeof body.token === 'string' ? body.token : ''
  const invitation = looksLikeToken(token) ? await previewInvitation(deps.db, token) : undefined
  if (!isObject(body) || !invitation) {
    await deps.recordDenial(c, { method: 'invitation', code: 'INVITATION_NOT_FOUND' })
    return denied(c, deps, 'credentials-refused', 'INVITATION_NOT_FOUND')
  }
  const name = typeof body.name === 'string' ? body.name.trim().slice(0, NAME_CHARS_MAX) : ''
  return { token, invitation, name, credential: body.credential }
}

async function acceptWithNewPasskey(
  c: Context,
  deps: InvitationDeps,
  { token, invitation, name, credential: sent }: SentInvitation,
): Promise<Response> {
  const { db, secure, publicUrl } = deps
  const { browserCookie } = endPreLogin(c, secure)
  const party = deps.settings.passkeys ? relyingPartyOf(c, publicUrl) : undefined
  const credential = readCredential(sent)
  if (!party || !credential) return denied(c, deps, 'credentials-refused', 'PASSKEY_INVALID')
  const { challenge } = credential
  const purpose = { kind: 'accept', invitation: token } as const
  const taken = await takeChallenge(db, { challenge, browserCookie, purpose })
  if (!taken?.userHandle) return denied(c, deps, 'credentials-refused', 'SIGN_IN_EXPIRED')
  const passkey = await verifyRegistration(party, sent, challenge, 'First passkey')
  if (!passkey) return denied(c, deps, 'credentials-refused', 'PASSKEY_INVALID')
  try {
    const person = await acceptByPasskey(db, {
      ...{ token, passkey, name, email: invitation.email, userHandle: taken.userHandle },
      from: auditedRequest(c, deps),
    })
    await startSession(c, deps, { person, method: 'passkey' })
    return c.json({ return_to: '/' })
  } catch (error) {
    if (error instanceof ApiError) return sendProblem(c, error.code, {}, error.message)
    throw error
  }
}

async function signedInSession(c: Context, { db, secure }: InvitationDeps) {
  const token = getCookie(c, sessionCookie(secure))
  if (token === undefined || !looksLikeToken(token)) return undefined
  return readSession(db, token)
}
