import type { Time, TimeWithDefault } from './column-types.ts'

/** Of sign-in by providers and passkeys. */
export interface SignInTables {
  pending_sign_in: PendingSignInTable
  operator_binding: OperatorBindingTable
  passkey: PasskeyTable
  passkey_challenge: PasskeyChallengeTable
}

export interface PendingSignInTable {
  state_sha256: Buffer
  browser_sha256: Buffer
  provider: string
  nonce: string
  verifier: string
  redirect_uri: string
  return_to: string
  again: boolean
  address_group: string
  created_at: TimeWithDefault
  expires_at: Time
}

export interface OperatorBindingTable {
  issuer: string
  email_sha256: Buffer
  person_id: number
  bound_at: TimeWithDefault
}

export interface PasskeyTable {
  credential_id: Buffer
  person_id: number
  public_key: Buffer
  counter: number
  transports: string[]
  name: string
  created_at: TimeWithDefault
  last_used_at: Time | null
}

export interface PasskeyChallengeTable {
  challenge_sha256: Buffer
  browser_sha256: Buffer
  purpose: 'sign-in' | 'accept' | 'add'
  invitation_sha256: Buffer | null
  person_id: number | null
  user_handle: string | null
  address_group: string
  created_at: TimeWithDefault
  expires_at: Time
}
