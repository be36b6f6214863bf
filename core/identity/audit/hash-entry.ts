import { createHash } from 'node:crypto'

/** An entry without its hash, as it is stored and exported. */
export interface UnhashedEntry {
  /** 64 hexadecimal digits: the hash of the entry before it; zeros for the first one. */
  previousHash: string
  /** 0: the system as a whole. */
  tenantId: number
  /** 1, 2, 3 … for each tenant. */
  sequence: number
  /** RFC 3339 to the microsecond, by Postgres' clock. */
  at: string
  actorKind: string
  actor: string
  actorName: string | null
  action: string
  object: string
  before: unknown
  after: unknown
  address: string | null
  requestId: string | null
}

/** The previousHash of the first entry of a tenant. */
export const GENESIS = '0'.repeat(64)

/** As it leaves Sluice: the columns by their own names. */
export function exportedEntry(entry: UnhashedEntry) {
  return {
    previous_hash: entry.previousHash,
    tenant_id: entry.tenantId,
    sequence: entry.sequence,
    at: entry.at,
    actor_kind: entry.actorKind,
    actor: entry.actor,
    actor_name: entry.actorName,
    action: entry.action,
    object: entry.object,
    before: entry.before,
    after: entry.after,
    address: entry.address,
    request_id: entry.requestId,
  }
}

/**
 * SHA-256 over the canonical JSON (RFC 8785) of an exported entry, the hash of the one before it included: anybody who has
 * an export can compute it again without Sluice.
 * @returns 64 hexadecimal digits
 */
export function hashEntry(entry: UnhashedEntry): string {
  return createHash('sha256')
    .update(canonicalJson(exportedEntry(entry)))
    .digest('hex')
}

/** RFC 8785: members in the order of their UTF-16 code units, no spaces, numbers as ECMAScript prints them. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`)
  return `{${members.join(',')}}`
}
