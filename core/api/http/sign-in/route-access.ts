import type { Permission } from '../../../identity/roles.ts'

/**
 * What each route of sign-in needs: nothing of an account where one is about to sign in, or the permission. A test
 * compares this table with the routes that are served.
 */
export const SIGN_IN_ROUTES: Readonly<Record<string, 'nobody' | Permission>> = {
  'GET /login': 'nobody',
  'GET /invitation': 'nobody',
  'GET /sign-in.js': 'nobody',
  'GET /invitation.js': 'nobody',
  'GET /v1/sign-in/methods': 'nobody',
  'POST /login': 'nobody',
  'POST /login/oidc/:id': 'nobody',
  'GET /login/oidc/:id/callback': 'nobody',
  // Signed by the provider.
  'POST /logout/oidc/:id/back-channel': 'nobody',
  'POST /login/passkey/options': 'nobody',
  'POST /login/passkey/verify': 'nobody',
  // With the token of the invitation.
  'POST /invitation/preview': 'nobody',
  'POST /invitation/accept/passkey/options': 'nobody',
  'POST /invitation/accept/passkey/verify': 'nobody',
  'POST /invitation/accept/session': 'own-sessions',
  'GET /v1/passkeys': 'own-sessions',
  'POST /v1/passkeys/options': 'own-sessions',
  'POST /v1/passkeys': 'own-sessions',
  'DELETE /v1/passkeys/:id': 'own-sessions',
  'POST /logout': 'nobody',
}
