import { decodeProtectedHeader, type JWTVerifyGetKey, jwtVerify } from 'jose'
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  Configuration,
  calculatePKCECodeChallenge,
  clockSkew,
  clockTolerance,
  customFetch,
  discovery,
  fetchUserInfo,
  type ServerMetadata,
} from 'openid-client'
import type { ProviderSettings } from '../sign-in/sign-in-settings.ts'
import {
  CLOCK_TOLERANCE_S,
  type ClaimTimes,
  checkTimes,
  type ProviderClaims,
  readClaims,
  SignInInvalidError,
} from './check-claims.ts'
import { createGuardedFetch, type GuardedFetch, ProviderUnavailableError } from './guarded-fetch.ts'
import { type LoggedOut, readLogoutToken } from './logout-token.ts'
import { createProviderKeys } from './provider-keys.ts'

/** A provider of OpenID Connect, by the authorization code flow with PKCE. */
export interface Provider {
  readonly settings: ProviderSettings
  /** Where the browser signs in. @throws ProviderUnavailableError */
  authorizationUrl(request: AuthorizationRequest): Promise<URL>
  /**
   * Exchanges the code of a callback, and checks who signed in.
   * @param callback the URL that the browser opened, under the redirect URI
   * @throws SignInInvalidError, ProviderUnavailableError
   */
  redeem(callback: URL, expected: ExpectedResponse): Promise<ProviderClaims>
  /** Whose sessions end, from a logout token of the provider. @throws SignInInvalidError, ProviderUnavailableError */
  verifyLogoutToken(token: string, nowS: number): Promise<LoggedOut>
}

export interface AuthorizationRequest {
  redirectUri: string
  state: string
  nonce: string
  verifier: string
  /** Asks for the credentials even of somebody who is signed in at the provider. */
  again: boolean
}

export interface ExpectedResponse extends Omit<ClaimTimes, 'requiresAge'> {
  state: string
  nonce: string
  verifier: string
}

export interface ProviderOptions {
  fetch?: GuardedFetch
  /** Within this time keys are not fetched again, whatever unknown key a token names. */
  keysCooldownMs?: number
  now?: () => number
}

/** Asymmetric ones alone: `none` proves nothing, and with HS256 the secret, or a public key taken for one, would sign. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
]
const METADATA_MS = 3_600_000
const RETRY_MS = 5_000
const KEYS_COOLDOWN_MS = 10_000
const GOOGLE = 'https://accounts.google.com'

interface Discovered {
  metadata: Readonly<ServerMetadata>
  keys: JWTVerifyGetKey
}

export function createProvider(
  settings: ProviderSettings,
  {
    fetch = createGuardedFetch(),
    keysCooldownMs = KEYS_COOLDOWN_MS,
    now = () => performance.now(),
  }: ProviderOptions = {},
): Provider {
  const { issuer, clientId } = settings
  const discover = createDiscovery({ settings, fetch, keysCooldownMs, now })

  /** @param nowS of Postgres: tokens are valid by its clock, and not by that of this machine */
  function configure({ metadata }: Discovered, nowS = Date.now() / 1_000): Configuration {
    const client = {
      [clockSkew]: Math.round(nowS - Date.now() / 1_000),
      [clockTolerance]: CLOCK_TOLERANCE_S,
    }
    const config = new Configuration(metadata, clientId, client, authentication(settings))
    config[customFetch] = fetch
    if (isInsecure(issuer)) allowInsecureRequests(config)
    return config
  }

  const verify = async ({ keys }: Discovered, token: string, nowS: number) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(nowS * 1_000),
    })
    return payload as Record<string, unknown>
  }

  const sendsMaxAge = (again: boolean) => again && issuer !== GOOGLE

  return {
    settings,
    async authorizationUrl({ redirectUri, state, nonce, verifier, again }) {
      const config = configure(await discover())
      return buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        response_type: 'code',
        scope: 'openid email profile',
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        // Google knows no other way to ask again. With max_age a provider has to send when that was.
        ...(again &&
          (sendsMaxAge(again) ? { prompt: 'login', max_age: '0' } : { prompt: 'select_account' })),
      })
    },
    redeem: (callback, expected) =>
      describingErrors(async () => {
        const discovered = await discover()
        const config = configure(discovered, expected.nowS)
        const tokens = await authorizationCodeGrant(config, callback, {
          expectedState: expected.state,
          expectedNonce: expected.nonce,
          pkceCodeVerifier: expected.verifier,
          idTokenExpected: true,
        })
        const claims = await verify(discovered, tokens.id_token as string, expected.nowS)
        const authenticatedS = checkTimes(claims, {
          ...expected,
          requiresAge: sendsMaxAge(expected.again),
        })
        if (claims.email !== undefined || !discovered.metadata.userinfo_endpoint)
          return readClaims(settings, claims, authenticatedS)
        const more = await fetchUserInfo(config, tokens.access_token, claims.sub as string)
        // An address and whether it is verified belong together: both from the same response.
        const { email, email_verified, name } = more
        const all = { name, ...claims, email, email_verified }
        return readClaims(settings, all, authenticatedS)
      }),
    verifyLogoutToken: (token, nowS) =>
      describingErrors(async () =>
        readLogoutToken(
          await verify(await discover(), token, nowS),
          decodeProtectedHeader(token).typ,
          nowS,
        ),
      ),
  }
}

/** What the provider publishes of itself: one request at a time, and kept for an hour. */
function createDiscovery({
  settings: { issuer, clientId },
  fetch,
  keysCooldownMs,
  now,
}: {
  settings: ProviderSettings
  fetch: GuardedFetch
  keysCooldownMs: number
  now: () => number
}): () => Promise<Discovered> {
  let last: { promise: Promise<Discovered>; until: number } | undefined

  async function request(): Promise<Discovered> {
    const config = await discovery(new URL(issuer), clientId, undefined, undefined, {
      [customFetch]: fetch,
      execute: isInsecure(issuer) ? [allowInsecureRequests] : [],
    })
    const metadata = config.serverMetadata()
    // openid-client compares URLs, and makes exceptions for some issuers.
    if (metadata.issuer !== issuer)
      throw new Error(
        `its metadata is of the issuer ${JSON.stringify(metadata.issuer).slice(0, 200)}`,
      )
    if (!metadata.jwks_uri) throw new Error('its metadata has no jwks_uri')
    if (!isInsecure(issuer) && isInsecure(metadata.jwks_uri))
      throw new Error('its keys are not served by HTTPS')
    const { jwks_uri: url } = metadata
    const keys = createProviderKeys({ url, fetch, cooldownMs: keysCooldownMs, now })
    return { metadata, keys }
  }

  return () => {
    if (last && now() < last.until) return last.promise
    const promise = request().catch((cause: unknown) => {
      throw new ProviderUnavailableError(`discovery of ${issuer} failed: ${describe(cause)}`, {
        cause,
      })
    })
    const current = { promise, until: now() + METADATA_MS }
    last = current
    // A provider that fails is asked again, and not by everybody at once. Callers get the rejection itself.
    promise.catch(() => {
      current.until = now() + RETRY_MS
    })
    return promise
  }
}

/** As the provider prefers; without a list it takes Basic. */
function authentication({ clientSecret }: ProviderSettings): ClientAuth {
  const basic = ClientSecretBasic(clientSecret)
  const post = ClientSecretPost(clientSecret)
  return (server, client, body, headers) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const use = methods.includes('client_secret_basic') ? basic : post
    return use(server, client, body, headers)
  }
}

/** Only for issuers of this machine or a private network (core/sign-in-config.ts). */
function isInsecure(url: string): boolean {
  return url.startsWith('http:')
}

/** @throws ProviderUnavailableError where it is the cause; SignInInvalidError for all else */
async function describingErrors<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof SignInInvalidError) throw error
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof ProviderUnavailableError) throw cause
    throw new SignInInvalidError(describe(error), { cause: error })
  }
}

/** Without the texts that a provider, or who sent the request, may choose. */
function describe(error: unknown): string {
  const { message, code, cause } = error as Error & { code?: string }
  if (cause instanceof ProviderUnavailableError) return cause.message
  return code === undefined ? message : `${message} (${code})`
}
