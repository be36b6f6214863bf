import { sha256Hex } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { Database, TenantScope } from '../db/database.ts'
import { ApiError, badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import { readCredentials } from './credentials.ts'
import { findKey, isUsable } from './key-directory.ts'
import { isSessionValid } from './sessions.ts'

/**
 * A sender who may see one tenant. Every query takes one and reads its tenant only, so a
 * query about another tenant cannot be written. Only this file can create one.
 */
export interface TenantViewer {
  readonly [sealed]: true
  readonly tenantId: number
  readonly tenant: string
  readonly allowedLatenessS: number
}
declare const sealed: unique symbol

export type Viewer =
  /** An API key with the scope read sees its own tenant. */
  | { kind: 'KEY'; own: TenantViewer }
  /** A signed-in browser belongs to the operator and sees every tenant. */
  | { kind: 'SESSION' }

export interface ViewerDeps {
  db: Database
  recordUse: (keyId: string) => Promise<void>
}

const DEFAULT_TENANT = 'default'

/** Identifies the sender of a request. @throws UNAUTHENTICATED, FORBIDDEN */
export async function identifyViewer(deps: ViewerDeps, headers: Headers): Promise<Viewer> {
  const credentials = readCredentials(headers)
  if (credentials.key !== undefined) return keyViewer(deps, credentials.key)
  if (credentials.session !== undefined && (await isSessionValid(deps.db, credentials.session)))
    return { kind: 'SESSION' }
  if (credentials.session === undefined) throw new ApiError('UNAUTHENTICATED')
  throw new ApiError('UNAUTHENTICATED', 'Your session has ended; sign in again.')
}

async function keyViewer({ db, recordUse }: ViewerDeps, key: string): Promise<Viewer> {
  const known = await findKey(db, await sha256Hex(key))
  // One message for unknown, revoked and expired: it reveals nothing to a thief.
  if (!known || !isUsable(known.record))
    throw new ApiError('UNAUTHENTICATED', ERRORS.KEY_UNKNOWN.message)
  if (!known.record.scopes.includes('read'))
    throw new ApiError('FORBIDDEN', 'This API key lacks the scope read.')
  void recordUse(known.record.key_id)
  const { tenantId, allowedLatenessS } = known
  return { kind: 'KEY', own: seal({ tenantId, tenant: known.record.tenant, allowedLatenessS }) }
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
    .select(['tenant_id', 'allowed_lateness_s'])
    .where('slug', '=', slug)
    .executeTakeFirst()
  if (!row) throw badInput('tenant', `"${slug.slice(0, 63)}" does not exist`)
  return seal({ tenantId: row.tenant_id, tenant: slug, allowedLatenessS: row.allowed_lateness_s })
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
