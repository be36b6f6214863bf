import type { KeyKind } from '../api-key.ts'

/**
 * Who vouches for an event. What arrives with a public key is `public`: anyone who opens a page can read that
 * key. Everything else is `server`. Event ids and Idempotency-Keys are unique within their class, so
 * a visitor of a page can never claim an id of the shop's own server.
 */
export type TrustClass = 'server' | 'public'

export function trustClassOf(kind: KeyKind): TrustClass {
  return kind === 'pub' ? 'public' : 'server'
}
