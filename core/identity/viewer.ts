import { looksLikeApiKey, sha256Hex } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { Database, TenantScope } from '../db/database.ts'
import { isCustomers } from '../db/tables/system-tenants.ts'
import { ApiError, badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import type { CredentialLookups } from './credential-lookups.ts'
import { readCredentials } from './credentials.ts'
import { findKey, isUsable } from './key-directory.ts'
import {
  looksLikeToken,
  type Membership,
  readSession,
  recordSessionUse,
  type Session,
} from './sessions.ts'

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
  /** The operator, who signed in by a login link and may do everything in all tenants; without a session, the command line. */
  | { kind: 'SESSION'; session?: Session }
  | PersonViewer

/** Somebody who signed in as themselves, and sees the tenants that they are a member of. */
export interface PersonViewer {
  kind: 'PERSON'
  personId: number
  name: string
  email: string | null
  /** May do everything in all tenants. */
  isOperator: boolean
  /** By the tenant's id, in the order of joining. */
  memberships: ReadonlyMap<string, Membership>
  session: Session
}

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
  /** Whether credentials are looked up for a stream that goes on: nobody used them just now. */
  isRecheck?: boolean | undefined
}

/** Of people who are signed in, where a request names none. */
export const DEFAULT_TENANT = 'default'

/** Identifies the sender of a request. @throws UNAUTHENTICATED, FORBIDDEN, TOO_MANY_ATTEMPTS */
export async function identify(
  deps: ViewerDeps,
  headers: Headers,
  from: RequestOrigin = {},
): Promise<Identity> {
  const { key, session } = readCredentials(headers, from.secure ?? false)
  if (key !== undefined) return identifyKey(deps, key, from.address)
  if (session === undefined) throw new ApiError('UNAUTHENTICATED')
  return identifySession(deps, session, from)
}

async function identifySession(
  { db, lookups }: ViewerDeps,
  token: string,
  { address, isRecheck = false }: RequestOrigin,
): Promise<Identity> {
  if (looksLikeToken(token)) {
    const hash = await sha256Hex(token)
    const session = await lookups.find(hash, address, () => readSession(db, token))
    if (session) {
      // Nobody waits for it, and where it fails the next request records the use.
      if (session.isUseDue && !isRecheck) recordSessionUse(db, session.sessionId).catch(() => {})
      return { viewer: viewerOf(session), credential: `session ${hash.slice(0, 12)}` }
    }
  }
  throw new ApiError('UNAUTHENTICATED', 'Your session has ended; sign in again.')
}

function viewerOf(session: Session): Viewer {
  const { person, memberships } = session
  return person ? { kind: 'PERSON', ...person, memberships, session } : { kind: 'SESSION', session }
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

/**
 * A tenant that the viewer may not see is as one that does not exist.
 * @param tenant as the client named it
 * @throws FORBIDDEN for a key and another tenant than its own; BAD_USER_INPUT
 */
export async function tenantViewer(
  db: Database,
  viewer: Viewer,
  tenant: string | null | undefined,
): Promise<TenantViewer> {
  if (viewer.kind === 'KEY') {
    if (tenant === null || tenant === undefined || tenant === viewer.own.tenant) return viewer.own
    throw new ApiError('FORBIDDEN', 'This API key belongs to another tenant.')
  }
  if (!isOperator(viewer)) return memberViewer(viewer, tenant)
  const slug = checkText('tenant', tenant ?? DEFAULT_TENANT)
  const row = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', slug)
    .where(isCustomers('slug'))
    .executeTakeFirst()
  if (!row) throw noSuchTenant(slug)
  return seal({ tenantId: row.tenant_id, tenant: slug })
}

/** @returns where a request names no tenant: the tenant of a member; 0 for the operator and who is a member of none */
export function defaultTenantIdOf(viewer: Exclude<Viewer, { kind: 'KEY' }>): number {
  if (isOperator(viewer)) return 0
  const { memberships } = viewer
  const [first] = memberships.values()
  return (memberships.get(DEFAULT_TENANT) ?? first)?.tenantId ?? 0
}

function memberViewer(
  { memberships }: PersonViewer,
  tenant: string | null | undefined,
): TenantViewer {
  const first = memberships.has(DEFAULT_TENANT) ? DEFAULT_TENANT : [...memberships.keys()][0]
  const slug = checkText('tenant', tenant ?? first ?? DEFAULT_TENANT)
  const membership = memberships.get(slug)
  if (!membership) throw noSuchTenant(slug)
  return seal({ tenantId: membership.tenantId, tenant: slug })
}

function noSuchTenant(slug: string): ApiError {
  return badInput('tenant', `"${slug.slice(0, 63)}" does not exist`)
}

/** Whether somebody may do everything in all tenants. */
export function isOperator(
  viewer: Viewer,
): viewer is
  | Exclude<Viewer, { kind: 'KEY' } | PersonViewer>
  | (PersonViewer & { isOperator: true }) {
  return viewer.kind === 'SESSION' || (viewer.kind === 'PERSON' && viewer.isOperator)
}

/** Whether a browser sends the credentials by itself, also in requests that pages of others cause. */
export function isBrowserSession(viewer: Viewer): viewer is Exclude<Viewer, { kind: 'KEY' }> {
  return viewer.kind !== 'KEY'
}

export const OPERATOR_SCOPE = 'operator'

/** Viewers with the same scope share limits: the keys of one tenant, the sessions of one person, and all of the operator. */
export function scopeOf(viewer: Viewer): string {
  if (viewer.kind === 'KEY') return `tenant ${viewer.own.tenantId}`
  return isOperator(viewer) ? OPERATOR_SCOPE : `person ${viewer.personId}`
}

/**
 * Viewers with the same scope may see the same results. It contains all that decides this, so that what somebody saw
 * with a role that was taken away is found by nobody.
 */
export function resultScopeOf(viewer: Viewer): string {
  if (viewer.kind === 'KEY') return `${scopeOf(viewer)} ${viewer.mayAdminister ? 'admin' : 'read'}`
  if (isOperator(viewer)) return OPERATOR_SCOPE
  const roles = [...viewer.memberships.values()].map(({ tenantId, role }) => `${tenantId} ${role}`)
  return `${scopeOf(viewer)} ${roles.sort().join(',')}`
}

/**
 * Which rows the connections of this viewer's queries may see: those of the tenant that a query is about, or of a key's
 * tenant; all for the operator, whose queries each name their tenant; for others none.
 * @param about `viewer`: the one query that is about the viewer's own tenants, and names them
 */
export function databaseScopeOf(viewer: Viewer, about?: TenantViewer | 'viewer'): TenantScope {
  if (viewer.kind === 'KEY') return viewer.own.tenantId
  if (isOperator(viewer) || about === 'viewer') return 'all'
  return about?.tenantId ?? 'none'
}

function seal(viewer: Omit<TenantViewer, typeof sealed>): TenantViewer {
  return Object.freeze(viewer) as TenantViewer
}
