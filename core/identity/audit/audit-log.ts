import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { GENESIS, hashEntry, type UnhashedEntry } from './hash-entry.ts'

/** Who caused a change, and from where. */
export type AuditActor = (
  | { kind: 'person'; personId: number; name: string }
  | { kind: 'key'; keyId: string }
  | { kind: 'operator' }
  | { kind: 'cli' }
  | { kind: 'system' }
) & {
  /** IP address of the client. */
  address?: string | undefined
  requestId?: string | undefined
}

/** What Sluice does by itself, at its start and in its maintenance; and its tools. */
export const SYSTEM: AuditActor = { kind: 'system' }

export type AuditAction =
  | 'session.begun'
  | 'session.ended'
  | 'sign-in.link-created'
  | 'sign-in.refused'
  | 'access.denied'
  | 'member.invited'
  | 'member.joined'
  | 'member.role-changed'
  | 'member.removed'
  | 'invitation.revoked'
  | 'passkey.added'
  | 'passkey.removed'
  | 'key.created'
  | 'key.changed'
  | 'key.rotated'
  | 'key.revoked'
  | 'tenant.created'
  | 'tenant.changed'
  | 'settings.changed'
  | 'metric.declared'
  | 'metric.retired'
  | 'schema.pinned'
  | 'schema.unpinned'
  | 'dead-letters.replayed'
  | 'dead-letters.job-begun'
  | 'dead-letters.job-cancelled'
  | 'events.replay-begun'
  | 'events.replayed'
  | 'offsets.skipped'
  | 'offsets.adopted'
  | 'numbers.repaired'
  | 'audit.expired'
  | 'backup.created'
  | 'backup.restored'

/** What may be kept of an object for ever: settings, never a secret or the content of an event. */
export type AuditedState = object

export interface AuditEntry {
  /** 0: the system as a whole. */
  tenantId: number
  action: AuditAction
  /** What was changed, as its kind and id: `key 0193…`, `tenant shop`, `person 7`. */
  object: string
  /** Only what the change was about. */
  before?: AuditedState | undefined
  after?: AuditedState | undefined
}

/** The place of an entry in its tenant's chain. */
export interface AuditPosition {
  sequence: number
  /** 64 hexadecimal digits */
  hash: string
}

/** Characters of a text that came from a client, such as a name; more are cut. */
const TEXT_CHARS_MAX = 500
const STATE_BYTES_MAX = 16_384

/**
 * Adds an entry to the audit log in the transaction of the change itself, so that neither can be without the other.
 * Holds a lock on the tenant's chain until that transaction ends: to be called last in it, and for one tenant, or for
 * several in the order of their ids.
 * @param tx a transaction; a connection without one would lose the lock at once
 * @throws RangeError for a state of more than 16 KiB
 */
export async function recordAudit(
  tx: Database,
  by: AuditActor,
  entry: AuditEntry,
): Promise<AuditPosition> {
  if (!tx.isTransaction) throw new Error('recordAudit needs the transaction of the change')
  const { tenantId } = entry
  const place = await lockChain(tx, tenantId)
  const unhashed: UnhashedEntry = {
    ...place,
    ...columnsOf(by),
    tenantId,
    action: entry.action,
    object: storable(entry.object),
    before: readState(entry.before),
    after: readState(entry.after),
  }
  const hash = hashEntry(unhashed)
  const { sequence } = place
  await sql`
    WITH added AS (
      INSERT INTO audit_log (tenant_id, sequence, at, actor_kind, actor, actor_name, action, object, before, after,
                             address, request_id, previous_hash, hash)
      VALUES (${tenantId}, ${sequence}, ${place.at}::timestamptz, ${unhashed.actorKind}, ${unhashed.actor},
              ${unhashed.actorName}, ${unhashed.action}, ${unhashed.object}, ${jsonOf(unhashed.before)}::jsonb,
              ${jsonOf(unhashed.after)}::jsonb, ${unhashed.address}, ${unhashed.requestId},
              decode(${place.previousHash}, 'hex'), decode(${hash}, 'hex')))
    UPDATE audit_head SET sequence = ${sequence}, hash = decode(${hash}, 'hex') WHERE tenant_id = ${tenantId}`.execute(
    tx,
  )
  return { sequence, hash }
}

/** Waits for a transaction that adds to the chain, and then sees what it added. */
async function lockChain(
  tx: Database,
  tenantId: number,
): Promise<Pick<UnhashedEntry, 'sequence' | 'previousHash' | 'at'>> {
  const { rows } = await sql<{ sequence: number; hash: string; at: string }>`
    INSERT INTO audit_head AS head (tenant_id, sequence, hash) VALUES (${tenantId}, 0, decode(${GENESIS}, 'hex'))
    ON CONFLICT (tenant_id) DO UPDATE SET sequence = head.sequence
    RETURNING sequence + 1 AS sequence, encode(hash, 'hex') AS hash, clock_timestamp() AS at`.execute(
    tx,
  )
  const { sequence, hash, at } = rows[0] as { sequence: number; hash: string; at: string }
  return { sequence, previousHash: hash, at }
}

function columnsOf(
  by: AuditActor,
): Pick<UnhashedEntry, 'actorKind' | 'actor' | 'actorName' | 'address' | 'requestId'> {
  const actor = by.kind === 'person' ? String(by.personId) : by.kind === 'key' ? by.keyId : by.kind
  return {
    actorKind: by.kind,
    actor: storable(actor),
    actorName: by.kind === 'person' ? storable(by.name) : null,
    address: by.address === undefined ? null : storable(by.address),
    requestId: by.requestId === undefined ? null : storable(by.requestId),
  }
}

/** As Postgres returns it: without what a text column cannot hold, which would change the hash. */
function storable(text: string): string {
  return text.slice(0, TEXT_CHARS_MAX).replaceAll('\0', '\u{fffd}').toWellFormed()
}

/** Times become text, undefined members are left out, as JSON has it. */
function readState(state: AuditedState | undefined): unknown {
  if (state === undefined) return null
  const json = JSON.stringify(state, (_, value: unknown) =>
    typeof value === 'string' ? storable(value) : value,
  )
  if (Buffer.byteLength(json) > STATE_BYTES_MAX)
    throw new RangeError(`a state in the audit log has at most ${STATE_BYTES_MAX} bytes`)
  return JSON.parse(json)
}

function jsonOf(state: unknown): string | null {
  return state === null ? null : JSON.stringify(state)
}
