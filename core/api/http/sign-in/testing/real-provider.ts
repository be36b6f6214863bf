import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider from 'oidc-provider'
import type { ProviderSettings } from '../../../../identity/sign-in/sign-in-settings.ts'

export interface Account {
  email?: string
  email_verified?: boolean
  name?: string
}

/** oidc-provider on loopback, which signs in whom the test names, without asking for a password. */
export interface RealProvider {
  issuer: string
  /** Whom the next sign-in is. */
  account: string
  /** By their subject. */
  accounts: Map<string, Account>
  /** What the provider got at its authorization endpoint. */
  requests: URLSearchParams[]
  /** Signs with a new key from now on; the old one is no longer published. */
  rotateKeys(): Promise<void>
  /** Ends all sessions of the subject, and tells Sluice on the back channel. */
  logOut(subject: string, sid?: string): Promise<void>
  close(): Promise<void>
}

const CLIENT = { id: 'sluice', secret: 'a-client-secret-of-the-tests' }

/** A provider for the core at this URL, and the settings with which core knows it as `id`. */
export async function startProviderOf(
  coreUrl: string,
  id: string,
  name: string,
): Promise<{ provider: RealProvider; settings: ProviderSettings }> {
  const provider = await startRealProvider(() => ({
    callback: `${coreUrl}/login/oidc/${id}/callback`,
    backChannel: `${coreUrl}/logout/oidc/${id}/back-channel`,
  }))
  const client = { clientId: CLIENT.id, clientSecret: CLIENT.secret, trustsEmail: false }
  return { provider, settings: { id, name, issuer: provider.issuer, ...client } }
}

/** @param clientOf the URLs of Sluice, which are known once it listens */
async function startRealProvider(
  clientOf: () => { callback: string; backChannel: string },
): Promise<RealProvider> {
  let handle: (request: IncomingMessage, response: ServerResponse) => void = () => {}
  const server: Server = createServer((request, response) => handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  let current: Provider
  let generation = 0

  const real: RealProvider = {
    issuer,
    account: 'ada',
    accounts: new Map(),
    requests: [],
    async rotateKeys() {
      current = createCurrent(await newKey(`key-${++generation}`))
    },
    async logOut(subject, sid) {
      await (await current.Client.find(CLIENT.id))?.backchannelLogout(subject, sid)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }

  function createCurrent(key: JWK): Provider {
    const provider = new Provider(issuer, configurationOf(key))
    const serve = provider.callback()
    handle = (request, response) => {
      const url = new URL(request.url as string, issuer)
      if (url.pathname === '/auth') real.requests.push(url.searchParams)
      if (!url.pathname.startsWith('/interaction/')) return serve(request, response)
      void provider
        .interactionDetails(request, response)
        .then(() =>
          provider.interactionFinished(request, response, { login: { accountId: real.account } }),
        )
    }
    return provider
  }

  function configurationOf(key: JWK): object {
    const { callback, backChannel } = clientOf()
    return {
      clients: [
        {
          client_id: CLIENT.id,
          client_secret: CLIENT.secret,
          redirect_uris: [callback],
          backchannel_logout_uri: backChannel,
          backchannel_logout_session_required: true,
        },
      ],
      jwks: { keys: [key] },
      cookies: { keys: ['a secret of the tests'] },
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
      features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
      ttl: { Interaction: 600, Grant: 600, Session: 600, AccessToken: 600, IdToken: 600 },
      // Its own refuses addresses of this machine.
      fetch: (to: string, { dispatcher: _, ...init }: RequestInit & { dispatcher?: unknown }) =>
        fetch(to, init),
      pkce: { required: () => true },
      interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
      findAccount: (_: unknown, id: string) => ({
        accountId: id,
        claims: () => ({ sub: id, ...real.accounts.get(id) }),
      }),
      // Nobody is asked to consent.
      async loadExistingGrant(ctx: {
        oidc: { provider: { Grant: new (of: object) => Grant }; session: { accountId: string } }
      }) {
        const { Grant } = ctx.oidc.provider
        const grant = new Grant({ clientId: CLIENT.id, accountId: ctx.oidc.session.accountId })
        grant.addOIDCScope('openid email profile')
        await grant.save()
        return grant
      },
    }
  }

  current = createCurrent(await newKey('key-0'))
  return real
}

interface Grant {
  addOIDCScope(scope: string): void
  save(): Promise<void>
}

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' }
}
