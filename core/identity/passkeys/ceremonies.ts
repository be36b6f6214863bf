import {
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { isObject } from '../../../contract/json/is-object.ts'
import type { NewPasskey, StoredPasskey } from './passkeys.ts'

/** Creating and using passkeys, by WebAuthn level 3. What the browser sends is checked by @simplewebauthn/server. */

/** Who asks for a passkey: passkeys work for this host name alone, and from this origin. */
export interface RelyingParty {
  /** A host name; browsers take no IP addresses. */
  id: string
  /** Such as https://sluice.example.com */
  origin: string
}

type Credential = Parameters<typeof verifyAuthenticationResponse>[0]['response']

export interface RegistrationUser {
  handle: string
  email: string
  name: string
  /** Credentials that the person has. */
  existing: readonly string[]
}

const TIMEOUT_MS = 300_000

export function registrationOptions(party: RelyingParty, user: RegistrationUser) {
  return generateRegistrationOptions({
    rpName: 'Sluice',
    rpID: party.id,
    userID: new Uint8Array(Buffer.from(user.handle, 'base64url')),
    userName: user.email,
    userDisplayName: user.name,
    timeout: TIMEOUT_MS,
    attestationType: 'none',
    excludeCredentials: user.existing.map((id) => ({ id })),
    // It is the only factor: it names its user by itself, and asks for a finger, a face or a PIN.
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  })
}

export function authenticationOptions(party: RelyingParty) {
  // Without a list of credentials nobody learns who has one.
  return generateAuthenticationOptions({
    rpID: party.id,
    timeout: TIMEOUT_MS,
    userVerification: 'required',
  })
}

/** @returns the new passkey; undefined for a response that proves nothing */
export async function verifyRegistration(
  party: RelyingParty,
  credential: unknown,
  challenge: string,
  name: string,
): Promise<NewPasskey | undefined> {
  const response = credential as RegistrationResponseJSON
  const { verified, registrationInfo } = await verifyRegistrationResponse({
    response,
    expectedChallenge: challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
  }).catch(() => ({ verified: false, registrationInfo: undefined }) as const)
  if (!verified || !registrationInfo) return undefined
  const { id, publicKey, counter } = registrationInfo.credential
  return {
    credentialId: Buffer.from(id, 'base64url'),
    publicKey: Buffer.from(publicKey),
    counter,
    transports: readTransports(response),
    name,
  }
}

/** @returns the counter that the passkey has now; undefined for a response that proves nothing */
export async function verifyAuthentication(
  party: RelyingParty,
  credential: unknown,
  challenge: string,
  passkey: StoredPasskey,
): Promise<number | undefined> {
  const response = credential as Credential
  const { userHandle } = response.response
  if (userHandle !== undefined && userHandle !== passkey.userHandle) return undefined
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response,
    expectedChallenge: challenge,
    expectedOrigin: party.origin,
    expectedRPID: party.id,
    requireUserVerification: true,
    credential: {
      id: passkey.credentialId.toString('base64url'),
      publicKey: new Uint8Array(passkey.publicKey),
      counter: passkey.counter,
    },
  }).catch(() => ({ verified: false, authenticationInfo: undefined }) as const)
  return verified ? authenticationInfo?.newCounter : undefined
}

/** The parts that are needed before it is verified. @returns undefined for what cannot be a credential */
export function readCredential(body: unknown): { id: Buffer; challenge: string } | undefined {
  if (!isObject(body) || typeof body.id !== 'string' || !isObject(body.response)) return undefined
  const { clientDataJSON } = body.response
  if (!/^[A-Za-z0-9_-]{1,1400}$/.test(body.id) || typeof clientDataJSON !== 'string')
    return undefined
  const challenge = challengeOf(clientDataJSON)
  return challenge === undefined ? undefined : { id: Buffer.from(body.id, 'base64url'), challenge }
}

function challengeOf(clientDataJSON: string): string | undefined {
  try {
    const data: unknown = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
    return isObject(data) && typeof data.challenge === 'string' ? data.challenge : undefined
  } catch {
    return undefined
  }
}

const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']

function readTransports(credential: RegistrationResponseJSON): string[] {
  const { transports } = credential.response
  return Array.isArray(transports)
    ? TRANSPORTS.filter((each) => transports.includes(each as never))
    : []
}
