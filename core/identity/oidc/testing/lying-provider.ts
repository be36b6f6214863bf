import { createHash, createHmac } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose'

/** What a test lets the provider do otherwise than it should. */
export interface Lies {
  /** In place of, or beside, the claims that the ID token should have. */
  claims?: Record<string, unknown>
  /** Claims that the ID token lacks. */
  without?: readonly string[]
  /** A token of the test's own. */
  idToken?: (claims: Record<string, unknown>, keys: ProviderKeys) => Promise<string> | string
  /** Parameters of the callback, in place of those that it should have. */
  callback?: Record<string, string | undefined>
  metadata?: Record<string, unknown>
  /** Responds in place of the endpoint. */
  respond?: Partial<
    Record<'discovery' | 'keys' | 'token' | 'userinfo', (response: ServerResponse) => void>
  >
  userinfo?: Record<string, unknown>
}

export interface ProviderKeys {
  privateKey: CryptoKey
  publicJwk: JWK
  publicPem: string
}

/** A provider on loopback that follows the protocol, apart from its `lies`. */
export interface LyingProvider {
  issuer: string
  lies: Lies
  keys: ProviderKeys
  /** How often each endpoint was asked. */
  requests: Record<string, number>
  /** New keys under the key id. */
  rotate(kid: string): Promise<void>
  /** The callback with the lies, for the URL that core sent the browser to. */
  callbackFor(authorizationUrl: string): string
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>
  close(): Promise<void>
}

const CLIENT_ID = 'sluice'

export async function startLyingProvider(): Promise<LyingProvider> {
  const codes = new Map<string, { nonce: string; challenge: string }>()
  const server = createServer((request, response) => {
    void serve(new URL(request.url as string, issuer).pathname, request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let kid = 'key-0'
  let count = 0

  async function serve(
    path: string,
    request: AsyncIterable<Buffer>,
    response: ServerResponse,
  ): Promise<void> {
    const send = (body: unknown, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    const endpoint = (
      {
        '/.well-known/openid-configuration': 'discovery',
        '/keys': 'keys',
        '/token': 'token',
        '/userinfo': 'userinfo',
      } as const
    )[path]
    if (!endpoint) return send({}, 404)
    provider.requests[endpoint] = (provider.requests[endpoint] ?? 0) + 1
    const own = provider.lies.respond?.[endpoint]
    if (own) return own(response)
    if (endpoint === 'discovery') return send(metadata())
    if (endpoint === 'keys')
      return send({ keys: [{ ...provider.keys.publicJwk, kid, use: 'sig' }] })
    if (endpoint === 'userinfo') return send({ sub: 'lisa', ...provider.lies.userinfo })
    const form = new URLSearchParams(Buffer.concat(await Array.fromAsync(request)).toString())
    const code = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    if (!code || proof !== code.challenge) return send({ error: 'invalid_grant' }, 400)
    send({
      ...{ access_token: 'an-access-token', token_type: 'Bearer', expires_in: 60 },
      id_token: await idToken(code.nonce),
    })
  }

  function metadata(): Record<string, unknown> {
    return {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/keys`,
      userinfo_endpoint: `${issuer}/userinfo`,
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
      ...provider.lies.metadata,
    }
  }

  async function idToken(nonce: string): Promise<string> {
    const now = Math.floor(Date.now() / 1_000)
    const { claims, without = [], idToken: own } = provider.lies
    const all: Record<string, unknown> = {
      ...{ iss: issuer, aud: CLIENT_ID, sub: 'lisa', iat: now, exp: now + 300, nonce },
      ...{ email: 'lisa@example.com', email_verified: true },
      ...claims,
    }
    for (const name of without) delete all[name]
    return own ? own(all, provider.keys) : provider.sign(all)
  }

  const provider: LyingProvider = {
    issuer,
    lies: {},
    keys: await createKeys(),
    requests: {},
    async rotate(id) {
      kid = id
      provider.keys = await createKeys()
    },
    callbackFor(authorizationUrl) {
      const { searchParams } = new URL(authorizationUrl)
      const code = `code-${++count}`
      codes.set(code, {
        nonce: searchParams.get('nonce') as string,
        challenge: searchParams.get('code_challenge') as string,
      })
      const url = new URL(searchParams.get('redirect_uri') as string)
      const sent = { code, state: searchParams.get('state') as string, iss: issuer }
      for (const [name, value] of Object.entries({ ...sent, ...provider.lies.callback }))
        if (value !== undefined) url.searchParams.set(name, value)
      return url.href
    },
    sign: (claims, header = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid, ...header })
        .sign(provider.keys.privateKey),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return provider
}

/** A token that claims to need no signature. */
export function unsigned(claims: Record<string, unknown>): string {
  return `${encode({ alg: 'none' })}.${encode(claims)}.`
}

/** A token signed with the public key, which everybody knows, as if it were a secret. */
export function signedWithPublicKey(
  claims: Record<string, unknown>,
  { publicPem }: ProviderKeys,
): string {
  const text = `${encode({ alg: 'HS256', kid: 'key-0' })}.${encode(claims)}`
  return `${text}.${createHmac('sha256', publicPem).update(text).digest('base64url')}`
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

async function createKeys(): Promise<ProviderKeys> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return {
    privateKey,
    publicJwk: { ...(await exportJWK(publicKey)), alg: 'RS256' },
    publicPem: await exportSPKI(publicKey),
  }
}
