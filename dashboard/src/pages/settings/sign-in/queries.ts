import type { Result } from '../../../lib/api/client.ts'
import { fetchMethods, requestSignIn, type SignInMethods } from '../../../lib/sign-in.ts'

export interface Passkey {
  id: string
  name: string
  created_at: string
  last_used_at: string | null
}

export async function fetchSignInMethods(): Promise<Result<SignInMethods>> {
  const methods = await fetchMethods()
  if (methods) return { ok: true, data: methods }
  return { ok: false, error: { kind: 'refused', message: 'Sluice did not respond.' } }
}

/** One's own. FORBIDDEN for the operator by a sign-in link. */
export async function fetchPasskeys(): Promise<Result<Passkey[]>> {
  const result = await requestSignIn<{ data: Passkey[] }>('GET', '/v1/passkeys')
  return result.ok ? { ok: true, data: result.data.data } : result
}

export const removePasskey = ({ id }: { id: string }) =>
  requestSignIn<undefined>('DELETE', `/v1/passkeys/${encodeURIComponent(id)}`)

/** Asks the device for a new passkey, and registers it. @param name what its owner calls it */
export async function addPasskey({ name }: { name: string }): Promise<Result<Passkey>> {
  const options = await requestSignIn<PublicKeyCredentialCreationOptionsJSON>(
    'POST',
    '/v1/passkeys/options',
    {},
  )
  if (!options.ok) return options
  let credential: unknown
  try {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options.data)
    const created = await navigator.credentials.create({ publicKey })
    credential = (created as PublicKeyCredential).toJSON()
  } catch (error) {
    return { ok: false, error: { kind: 'refused', message: reasonOf(error) } }
  }
  const added = await requestSignIn<{ data: Passkey }>('POST', '/v1/passkeys', { credential, name })
  return added.ok ? { ok: true, data: added.data.data } : added
}

function reasonOf(error: unknown): string {
  const { name } = error as DOMException
  if (name === 'NotAllowedError')
    return 'No passkey was created. Try again, and confirm it on your device.'
  if (name === 'InvalidStateError') return 'This device has a passkey for you already.'
  return 'This browser or device cannot create a passkey here.'
}
