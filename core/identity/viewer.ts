import { sha256Hex } from '../../contract/api-key.ts'
import type { Database } from '../db/database.ts'
import { badInput, checkText, queryError } from '../queries/errors.ts'
import { readCredentials } from './credentials.ts'
import { findKey, isUsable } from './key-directory.ts'
import { isSessionValid } from './sessions.ts'

/**
 * Somebody who may see one tenant. Every question takes one and asks for its tenant only, so a
 * question about someone else cannot be written down. Nothing but this file can make one.
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
  /** A signed-in browser is the operator's and sees every tenant. */
  | { kind: 'SESSION' }

export interface ViewerDeps {
  db: Database
  noteUse: (keyId: string) => Promise<void>
}

const DEFAULT_TENANT = 'default'

/** Who sends this request. @throws UNAUTHENTICATED, FORBIDDEN */
export async function viewerOf(deps: ViewerDeps, headers: Headers): Promise<Viewer> {
  const credentials = readCredentials(headers)
  if (credentials.key !== undefined) return keyViewer(deps, credentials.key)
  if (credentials.session !== undefined && (await isSessionValid(deps.db, credentials.session)))
    return { kind: 'SESSION' }
  throw queryError(
    'UNAUTHENTICATED',
    credentials.session === undefined
      ? 'Sign in, or send an API key with the scope read.'
      : 'Your session has ended; sign in again.',
  )
}

async function keyViewer({ db, noteUse }: ViewerDeps, key: string): Promise<Viewer> {
  const known = await findKey(db, await sha256Hex(key))
  // One sentence for unknown, revoked and expired: it tells a thief nothing.
  if (!known || !isUsable(known.record))
    throw queryError('UNAUTHENTICATED', 'No such API key, or it was revoked or has expired.')
  if (!known.record.scopes.includes('read'))
    throw queryError('FORBIDDEN', 'This API key lacks the scope read.')
  void noteUse(known.record.key_id)
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
    throw queryError('FORBIDDEN', 'This API key belongs to another tenant.')
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

function seal(viewer: Omit<TenantViewer, typeof sealed>): TenantViewer {
  return Object.freeze(viewer) as TenantViewer
}
