import type { Database } from '../../../../db/database.ts'
import type { ProviderOptions } from '../../../../identity/oidc/provider.ts'
import { inviteMember } from '../../../../identity/people/invitations.ts'
import type { Role } from '../../../../identity/roles.ts'
import {
  DEFAULT_SIGN_IN,
  type SignInSettings,
} from '../../../../identity/sign-in/sign-in-settings.ts'
import type { SecurityEvent } from '../../../../lib/security-log.ts'
import { createQueryFixture, type QueryFixture } from '../../../graphql/testing/fixture.ts'
import { createCoreApp } from '../../app.ts'
import { createMetrics } from '../../metrics.ts'
import type { Served } from '../../serve.ts'
import { serveLate } from './serve-late.ts'

/** Core in front of a Postgres, and who signs in to it without a browser. */
export interface SignInFixture {
  core: Served
  db: Database
  query: QueryFixture
  security: SecurityEvent[]
  /** Messages of the log. */
  warnings: { error?: string }[]
  /** @returns the token of an invitation's link */
  invite(email: string, role?: Role): Promise<string>
  /** What the audit log has, oldest first, from the last call on. */
  audited(): Promise<{ action: string; after: Record<string, unknown> | null }[]>
  close(): Promise<void>
}

/**
 * @param settingsOf with the URL at which core listens
 * @param tenants those that exist, two unless given
 */
export async function startSignInFixture(
  settingsOf: (coreUrl: string) => Promise<Partial<SignInSettings>> | Partial<SignInSettings>,
  providerOptions: ProviderOptions = {},
  tenants?: string[],
): Promise<SignInFixture> {
  const query = await createQueryFixture(tenants)
  const { db, log, graphql } = query
  const security: SecurityEvent[] = []
  const warnings: { error?: string }[] = []
  const { core, serve } = await serveLate()
  const app = createCoreApp({
    db,
    log,
    logger: { error: (fields) => warnings.push(fields), warn: (fields) => warnings.push(fields) },
    securityLog: { record: (event) => void security.push(event), close() {} },
    metrics: createMetrics({ db, log }),
    api: {
      graphql,
      dashboardFolder: '/nowhere',
      providerOptions,
      signIn: { ...DEFAULT_SIGN_IN, ...(await settingsOf(core.url)) },
    },
    // Each client of a test has an address of its own where it matters.
    addressOf: (peer, headers) => headers.get('x-test-address') ?? peer,
  })
  serve(app)
  let auditedThrough = 0
  return {
    ...{ core, db, query, security, warnings },
    async invite(email, role = 'EDITOR') {
      const { tenant_id: tenantId } = await db
        .selectFrom('tenant')
        .select('tenant_id')
        .where('slug', '=', 'default')
        .executeTakeFirstOrThrow()
      return (
        await inviteMember(db, {
          tenantId,
          email,
          role,
          by: { actor: { kind: 'operator' }, isOperator: true },
        })
      ).token
    },
    async audited() {
      const rows = await db
        .selectFrom('audit_log')
        .select(['sequence', 'action', 'after'])
        .where('tenant_id', '=', 0)
        .where('sequence', '>', auditedThrough)
        .orderBy('sequence')
        .execute()
      auditedThrough = Number(rows.at(-1)?.sequence ?? auditedThrough)
      return rows.map(({ action, after }) => ({
        action,
        after: after as Record<string, unknown> | null,
      }))
    },
    async close() {
      await core.close(0)
      await query.close()
    },
  }
}

/** A client with cookies, as a browser has them. */
export class TestBrowser {
  static #count = 0

  readonly #cookies = new Map<string, Map<string, string>>()
  readonly #headers: Record<string, string>

  constructor(headers: Record<string, string> = {}) {
    // Of 30 sign-ins a minute from one address, a test would be the flood.
    const address = `10.0.${TestBrowser.#count >> 8}.${TestBrowser.#count++ & 255}`
    this.#headers = { 'x-test-address': address, ...headers }
  }

  cookiesOf(url: string): Map<string, string> {
    const { host } = new URL(url)
    const cookies = this.#cookies.get(host) ?? new Map<string, string>()
    this.#cookies.set(host, cookies)
    return cookies
  }

  async open(url: string, init: RequestInit = {}): Promise<Response> {
    const cookies = this.cookiesOf(url)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(url, {
      redirect: 'manual',
      ...init,
      headers: { cookie, ...this.#headers, ...(init.headers as Record<string, string>) },
    })
    for (const text of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = text.split(';')
      const [name = '', value = ''] = pair.split('=', 2)
      if (value === '' || attributes.some((each) => /max-age=0$/i.test(each))) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }

  /** As the scripts of the pages do. */
  post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.open(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-sluice-sign-in': '1',
        'sec-fetch-site': 'same-origin',
        ...headers,
      },
      body: JSON.stringify(body),
    })
  }

  /** @returns where the provider sends the browser back to, which is not opened yet */
  async signInAtProvider(coreUrl: string, id: string, body: object = {}): Promise<string> {
    const begun = await this.post(`${coreUrl}/login/oidc/${id}`, body)
    if (begun.status !== 200) throw new Error(`${begun.status}: ${await begun.text()}`)
    let { url } = (await begun.json()) as { url: string }
    for (let i = 0; i < 10 && !url.startsWith(`${coreUrl}/`); i++) {
      const response = await this.open(url)
      const location = response.headers.get('location')
      if (!location) throw new Error(`${url}: ${response.status} ${await response.text()}`)
      url = new URL(location, url).href
    }
    return url
  }

  /** The name of who is signed in to this core, or the code of the error. */
  async viewer(coreUrl: string): Promise<string> {
    const response = await this.post(`${coreUrl}/graphql`, { query: '{ viewer { kind } }' })
    const { data, errors } = (await response.json()) as {
      data?: { viewer: { kind: string } }
      errors?: { extensions: { code: string } }[]
    }
    return data?.viewer.kind ?? (errors?.[0]?.extensions.code as string)
  }
}
