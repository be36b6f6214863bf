import { sql } from 'kysely'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import type { Database } from '../../db/database.ts'
import type { AuditPosition } from './audit-log.ts'
import { GENESIS, hashEntry, type UnhashedEntry } from './hash-entry.ts'

export interface VerifyOptions {
  /** An entry that was kept elsewhere: the chain has to contain it. */
  head?: AuditPosition | undefined
}

export type Verification =
  | {
      ok: true
      entries: number
      /** Of the oldest entry that is kept; null while there is none. */
      first: number | null
      head: AuditPosition | null
      /** What is suspicious, although every entry is as it was written. */
      warning?: string
    }
  | {
      ok: false
      /** Of the first entry that is not as it was written; null where a whole chain is missing. */
      sequence: number | null
      reason: string
    }

/** Read at a time. */
const PAGE = 1_000
/** No setting keeps entries for a shorter time, so nothing younger can have expired. */
export const RETENTION_DAYS_MIN = 30
const DAY_MS = 86_400_000

/**
 * Reads one chain of the audit log and computes every hash again. Finds any entry that was changed, inserted, moved or
 * deleted. Who owns the database could write a whole chain again, and its head: that shows only against a head that
 * was kept elsewhere.
 * @param tenantId 0: the system as a whole
 */
export async function verifyAudit(
  db: Database,
  tenantId: number,
  { head }: VerifyOptions = {},
): Promise<Verification> {
  const verify = async (tx: Database): Promise<Verification> => {
    const chain = createChain(head)
    for (let after = Number.MIN_SAFE_INTEGER; ; ) {
      const rows = await readPage(tx, tenantId, after)
      for (const row of rows) {
        const broken = chain.add(row)
        if (broken) return broken
      }
      if (rows.length < PAGE) break
      after = (rows.at(-1) as StoredEntry).sequence
    }
    const verification = chain.end(await readHead(tx, tenantId))
    const warning = verification.ok && (await findWarning(tx, tenantId, verification.head))
    return warning ? { ...verification, warning } : verification
  }
  if (db.isTransaction) return verify(db)
  return db.transaction().setIsolationLevel('repeatable read').execute(verify)
}

/** Everything that has a chain, entries without a head included. */
export async function chainsOf(
  db: Database,
): Promise<{ tenantId: number; tenant: string | null }[]> {
  const { rows } = await sql<{ tenantId: number; tenant: string | null }>`
    WITH RECURSIVE chain AS (
      (SELECT tenant_id FROM audit_log ORDER BY tenant_id LIMIT 1)
       UNION ALL
      SELECT (SELECT l.tenant_id FROM audit_log l WHERE l.tenant_id > c.tenant_id ORDER BY l.tenant_id LIMIT 1)
        FROM chain c WHERE c.tenant_id IS NOT NULL)
    SELECT tenant_id AS "tenantId", slug AS tenant
      FROM (SELECT tenant_id FROM chain WHERE tenant_id IS NOT NULL UNION SELECT tenant_id FROM audit_head
             UNION SELECT 0) c LEFT JOIN tenant USING (tenant_id)
     ORDER BY tenant_id`.execute(db)
  return rows
}

type StoredEntry = Omit<UnhashedEntry, 'before' | 'after'> & {
  before: string | null
  after: string | null
  hash: string
}

async function readPage(tx: Database, tenantId: number, after: number): Promise<StoredEntry[]> {
  const { rows } = await sql<StoredEntry>`
    SELECT encode(previous_hash, 'hex') AS "previousHash", tenant_id AS "tenantId", sequence, at,
           actor_kind AS "actorKind", actor, actor_name AS "actorName", action, object, before::text, after::text,
           address, request_id AS "requestId", encode(hash, 'hex') AS hash
      FROM audit_log WHERE tenant_id = ${tenantId} AND sequence > ${after} ORDER BY sequence LIMIT ${PAGE}`.execute(
    tx,
  )
  return rows
}

async function readHead(tx: Database, tenantId: number): Promise<AuditPosition | undefined> {
  const { rows } = await sql<AuditPosition>`
    SELECT sequence, encode(hash, 'hex') AS hash FROM audit_head WHERE tenant_id = ${tenantId}`.execute(
    tx,
  )
  return rows[0]
}

/** No more can have been delivered than there is: what is added next would never be sent. */
async function findWarning(
  tx: Database,
  tenantId: number,
  head: AuditPosition | null,
): Promise<string | undefined> {
  const { rows } = await sql<{ sequence: number }>`
    SELECT sequence FROM audit_delivery WHERE tenant_id = ${tenantId}`.execute(tx)
  const delivered = rows[0]?.sequence ?? 0
  return delivered > (head?.sequence ?? 0)
    ? `entry ${delivered} is marked as sent to the webhook and does not exist`
    : undefined
}

type Broken = Extract<Verification, { ok: false }>

function createChain(expected: AuditPosition | undefined) {
  let first: StoredEntry | undefined
  let last: StoredEntry | undefined
  let entries = 0
  let isExpectedFound = expected === undefined
  /** What an entry records of those that expired before the first one. */
  let anchor: Anchor | undefined

  function add(row: StoredEntry): Broken | undefined {
    const broken = findBreak(row, last)
    if (broken) return { ok: false, sequence: row.sequence, reason: broken }
    first ??= row
    last = row
    entries++
    const found = anchorOf(row)
    if (found && found.sequence === first.sequence - 1) anchor = found
    if (row.sequence !== expected?.sequence) return undefined
    if (row.hash !== expected.hash)
      return {
        ok: false,
        sequence: row.sequence,
        reason: 'it is not the entry that was kept elsewhere',
      }
    isExpectedFound = true
    return undefined
  }

  function end(head: AuditPosition | undefined): Verification {
    const missing = findMissing(head)
    if (missing) return { ok: false, ...missing }
    return { ok: true, entries, first: first?.sequence ?? null, head: head ?? null }
  }

  function findMissing(head: AuditPosition | undefined): Omit<Broken, 'ok'> | undefined {
    if (first && first.sequence !== 1 && !isAttested(first, anchor))
      return {
        sequence: 1,
        reason: 'entries before the first one are missing, and none records that they expired',
      }
    const end = last?.sequence ?? 0
    if (end < (head?.sequence ?? 0))
      return { sequence: end + 1, reason: 'it is missing, and all that follow' }
    if (end > (head?.sequence ?? 0))
      return { sequence: (head?.sequence ?? 0) + 1, reason: 'it was added behind the newest entry' }
    if (last && last.hash !== head?.hash)
      return { sequence: end, reason: 'its hash is not that of the newest entry' }
    if (isExpectedFound || !expected) return undefined
    const { sequence, hash } = expected
    if (anchor?.sequence === sequence && anchor.hash === hash) return undefined
    return sequence < (first?.sequence ?? 0)
      ? { sequence, reason: 'the entry that was kept elsewhere has expired since' }
      : {
          sequence: end === 0 ? null : end + 1,
          reason: 'the entry that was kept elsewhere is missing',
        }
  }

  return { add, end }
}

function findBreak(row: StoredEntry, before: StoredEntry | undefined): string | undefined {
  if (before && row.sequence !== before.sequence + 1) return 'entries before it are missing'
  const previous = before?.hash ?? (row.sequence === 1 ? GENESIS : row.previousHash)
  if (row.previousHash !== previous) return 'it does not follow the entry before it'
  if (row.sequence < 1) return 'it was added in front of the first entry'
  for (const state of [row.before, row.after])
    if (state !== null && !hasPlainNumbers(state)) return 'a number in it was changed'
  const entry = { ...row, before: parse(row.before), after: parse(row.after) }
  return hashEntry(entry) === row.hash ? undefined : 'it was changed'
}

function parse(state: string | null): unknown {
  return state === null ? null : parseExactly(state)
}

/** jsonb keeps more digits than a double: 1.0 and 1 have one hash, and 0.1 has that of its neighbours. */
function hasPlainNumbers(json: string): boolean {
  const numbers = json.replace(/"(?:[^"\\]|\\.)*"/g, '').match(/-?\d[\d.eE+-]*/g) ?? []
  return numbers.every((number) => {
    const plain = String(Number(number))
    return plain === number || plain.includes('e')
  })
}

interface Anchor extends AuditPosition {
  at: string
  olderThan: string
}

/** What `expireAudit` writes before it deletes. */
function anchorOf({ action, actorKind, after, at }: StoredEntry): Anchor | undefined {
  const state = action === 'audit.expired' && actorKind === 'system' ? parse(after) : undefined
  if (!isObject(state)) return undefined
  const { throughSequence: sequence, throughHash: hash, olderThan } = state
  return { sequence: Number(sequence), hash: String(hash), olderThan: String(olderThan), at }
}

/** Nothing can have expired that is as young as what is kept, or younger than any retention. */
function isAttested(first: StoredEntry, anchor: Anchor | undefined): boolean {
  return (
    anchor !== undefined &&
    anchor.hash === first.previousHash &&
    Date.parse(anchor.at) - Date.parse(anchor.olderThan) >= RETENTION_DAYS_MIN * DAY_MS &&
    Date.parse(first.at) >= Date.parse(anchor.olderThan)
  )
}
