import { looksLikeApiKey, sha256Hex } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { Database, TenantScope } from '../db/database.ts'
import { ApiError, badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import type { CredentialLookups } from './credential-lookups.ts'
import { readCredentials } from './credentials.ts'
import { findKey, isUsable } from './key-directory.ts'
import { isSessionValid, looksLikeToken } from './sessions.ts'

/**
 * A sender who may see one tenant. Every query takes one and reads its tenant only, so a
 * query about another tenant cannot be written. Only this file can create one.
 */
export interface TenantViewer {
  readonly [sealed]: true
  readonly tenantId: number
  readonly tenant: string
}
declare const sealed: unique symbol

export type Viewer =
  /** An API key with the scope read, or admin, sees its own tenant; with the scope admin it may change its settings. */
  | { kind: 'KEY'; own: TenantViewer; mayAdminister?: boolean }
  /** A signed-in browser belongs to the operator and sees every tenant. */
  | { kind: 'SESSION' }

/** Who sent a request, and with what. */
export interface Identity {
  viewer: Viewer
  /** Names the key or the session, without being one: `key <id>`, `session <part of its hash>`. */
  credential: string
}

export interface ViewerDeps {
  db: Database
  recordUse: (keyId: string) => Promise<void>
  lookups: CredentialLookups
}

/** The key exists, and may not query. */
export class ScopeMissingError extends ApiError {
  readonly denied: { credential: string; tenant: string }

  constructor(denied: ScopeMissingError['denied']) {
    super('FORBIDDEN', 'This API key lacks the scope read.')
    this.denied = denied
  }
}

/** Where a request came from. */
export interface RequestOrigin {
  /** IP address of the client. */
  address?: string | undefined
  /** Whether browsers use HTTPS, which decides what the cookie of a session is called. */
  secure?: boolean | undefined
}

const DEFAULT_TENANT = 'default'

/** Identifies the sender of a request. @throws UNAUTHENTICATED, FORBIDDEN, TOO_MANY_ATTEMPTS */
export async function identify(
  deps: ViewerDeps,
  headers: Headers,
  { address, secure = false }: RequestOrigin = {},
): Promise<Identity> {
  const { key, session } = readCredentials(headers, secure)
  if (key !== undefined) return identifyKey(deps, key, address)
  if (session === undefined) throw new ApiError('UNAUTHENTICATED')
  return identifySession(deps, session, address)
}

async function identifySession(
  { db, lookups }: ViewerDeps,
  session: string,
  address: string | undefined,
): Promise<Identity> {
  if (looksLikeToken(session)) {
    const hash = await sha256Hex(session)
    const lookUp = async () => (await isSessionValid(db, session)) || undefined
    if (await lookups.find(hash, address, lookUp))
      return { viewer: { kind: 'SESSION' }, credential: `session ${hash.slice(0, 12)}` }
  }
  throw new ApiError('UNAUTHENTICATED', 'Your session has ended; sign in again.')
}

async function identifyKey(
  { db, recordUse, lookups }: ViewerDeps,
  key: string,
  address: string | undefined,
): Promise<Identity> {
  const hash = looksLikeApiKey(key) ? await sha256Hex(key) : undefined
  const known = hash && (await lookups.find(hash, address, () => findKey(db, hash)))
  // One message for unknown, revoked and expired: it reveals nothing to a thief.
  if (!known || !isUsable(known.record))
    throw new ApiError('UNAUTHENTICATED', ERRORS.KEY_UNKNOWN.message)
  const { key_id: keyId, scopes, tenant } = known.record
  const credential = `key ${keyId}`
  const mayAdminister = scopes.includes('admin')
  if (!scopes.includes('read') && !mayAdminister)
    throw new ScopeMissingError({ credential, tenant })
  void recordUse(keyId)
  const own = seal({ tenantId: known.tenantId, tenant })
  return { viewer: { kind: 'KEY', own, ...(mayAdminister && { mayAdminister }) }, credential }
}

/** @param tenant as the client named it; @throws FORBIDDEN for another tenant than the key's own */
export async function tenantViewer(
  db: Database,
  viewer: Viewer,
  tenant: string | null | undefined,
): Promise<TenantViewer> {
  if (viewer.kind === 'KEY') {
    if (tenant === null || tenant === undefined || tenant === viewer.own.tenant) return viewer.own
    throw new ApiError('FORBIDDEN', 'This API key belongs to another tenant.')
  }
  const slug = checkText('tenant', tenant ?? DEFAULT_TENANT)
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', slug)
    .executeTakeFirst()
  if (!row) throw badInput('tenant', `"${slug.slice(0, 63)}" does not exist`)
  return seal({ tenantId: row.tenant_id, tenant: slug })
}

export const OPERATOR_SCOPE = 'operator'

/** Viewers with the same key share limits and cached results: the keys of one tenant, and all sessions. */
export function scopeOf(viewer: Viewer): string {
  return viewer.kind === 'KEY' ? `tenant ${viewer.own.tenantId}` : OPERATOR_SCOPE
}

/** Which rows the connections of this viewer's queries may see; the operator's see all, and each query names its tenant. */
export function databaseScopeOf(viewer: Viewer): TenantScope {
  return viewer.kind === 'KEY' ? viewer.own.tenantId : 'all'
}

function seal(viewer: Omit<TenantViewer, typeof sealed>): TenantViewer {
  return Object.freeze(viewer) as TenantViewer
}
