import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { QueryResult } from '../query-result.ts'

/** An entry of the audit log; hashes are 64 hexadecimal digits. */
export interface ListedAuditEntry {
  previousHash: string
  /** 0: the system as a whole. */
  tenantId: number
  sequence: number
  at: Instant
  actorKind: 'person' | 'key' | 'operator' | 'cli' | 'system'
  /** The id of the person or the key, else as actorKind. */
  actor: string
  actorName: string | null
  action: string
  object: string
  before: unknown
  after: unknown
  address: string | null
  requestId: string | null
  hash: string
}

export interface AuditLogArgs {
  first?: number | null | undefined
  /** The cursor of the last one on the page before. */
  after?: string | null | undefined
  /** Exactly, or all that begin with it where it ends in a dot: `key.`. */
  action?: string | null | undefined
  /** The id of a person or a key, or a kind of actor. */
  actor?: string | null | undefined
  /** Default: newest first. */
  oldestFirst?: boolean | null | undefined
}

export interface AuditLogPage extends QueryResult<{ cursor: string; node: ListedAuditEntry }> {
  hasNextPage: boolean
}

/** Whose chain is read: a tenant's, or that of the system as a whole. */
export type AuditScope = Pick<TenantViewer, 'tenantId'> | 'system'

/** A part of one chain of the audit log. @throws BAD_USER_INPUT */
export async function auditLogPage(
  db: Database,
  scope: AuditScope,
  args: AuditLogArgs,
): Promise<AuditLogPage> {
  const { action, actor } = args
  const size = args.first ?? QUERY_LIMITS.auditPageDefault
  if (size < 0 || size > QUERY_LIMITS.auditPageMax)
    throw badInput('first', `must be between 0 and ${QUERY_LIMITS.auditPageMax}`)
  const direction = args.oldestFirst ? sql`ASC` : sql`DESC`
  const beyond = args.oldestFirst ? sql`>` : sql`<`
  const { rows } = await sql<ListedAuditEntry>`
    SELECT encode(previous_hash, 'hex') AS "previousHash", tenant_id AS "tenantId", sequence, at,
           actor_kind AS "actorKind", actor, actor_name AS "actorName", action, object, before, after, address,
           request_id AS "requestId", encode(hash, 'hex') AS hash
      FROM audit_log
     WHERE tenant_id = ${scope === 'system' ? 0 : scope.tenantId}
           ${args.after == null ? sql`` : sql`AND sequence ${beyond} ${readCursor(args.after)}::int8`}
           ${action == null ? sql`` : matching(checkText('action', action))}
           ${actor == null ? sql`` : sql`AND actor = ${checkText('actor', actor)}`}
     ORDER BY sequence ${direction} LIMIT ${size + 1}`.execute(db)
  return {
    rows: rows.slice(0, size).map((node) => ({ cursor: auditCursor(node.sequence), node })),
    source: 'raw',
    dependencies: null,
    hasNextPage: rows.length > size,
  }
}

function matching(action: string) {
  return action.endsWith('.')
    ? sql`AND starts_with(action, ${action})`
    : sql`AND action = ${action}`
}

/** Of the entry with this sequence. */
export function auditCursor(sequence: number): string {
  return Buffer.from(`audit ${sequence}`).toString('base64url')
}

function readCursor(cursor: string): string {
  const [, sequence] = /^audit (\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? []
  if (sequence === undefined) throw badInput('after', 'is not a cursor of this connection')
  return sequence
}

/** The newest entry of a chain, to be kept elsewhere; null while there is none. */
export async function auditHead(
  db: Database,
  scope: AuditScope,
  _: object,
): Promise<QueryResult<{ sequence: number; hash: string }>> {
  const { rows } = await sql<{ sequence: number; hash: string }>`
    SELECT sequence, encode(hash, 'hex') AS hash FROM audit_head
     WHERE tenant_id = ${scope === 'system' ? 0 : scope.tenantId}`.execute(db)
  return { rows, source: 'raw', dependencies: null }
}
