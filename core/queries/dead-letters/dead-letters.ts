import { type RawBuilder, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import { readEventText } from '../../dead-letters/corrected-record.ts'
import { type FilterInput, readFilter } from '../../dead-letters/filter.ts'
import { whereOf } from '../../dead-letters/where.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { QueryResult } from '../query-result.ts'

export interface DeadLetter {
  id: string
  /** Null: no tenant could be determined. */
  tenant: string | null
  /** A code of docs/errors.md. */
  reason: string
  detail: string
  receivedAt: Instant
  /** The ingest format. */
  route: string | null
  /** The client library. */
  client: string | null
  requestId: string | null
  partition: number
  offset: string
  state: 'open' | 'replayed' | 'discarded'
  /** Of its group. */
  fingerprint: string
  /** JSON pointer of the member that is wrong, where it is one. */
  pointer: string | null
  keyId: string | null
  /** Of the event, where it has a name. */
  name: string | null
  /** What was received; bytes that are not UTF-8 are replaced, and what is beyond `LIMITS.eventBytesMax` is cut off. */
  original: string
  originalBytes: number
}

export interface DeadLettersArgs {
  first?: number | null
  /** The cursor of the last one on the page before. */
  after?: string | null
  reason?: string | null
  state?: DeadLetter['state'] | null
  filter?: FilterInput | null
}

export interface DeadLettersPage extends QueryResult<{ cursor: string; node: DeadLetter }> {
  hasNextPage: boolean
}

/** A tenant's dead letters that are still kept, newest received first. */
export async function deadLettersPage(
  db: Database,
  viewer: TenantViewer,
  { first, after, reason, state, filter }: DeadLettersArgs,
): Promise<DeadLettersPage> {
  const size = first ?? QUERY_LIMITS.deadLettersPageMax
  if (size < 0 || size > QUERY_LIMITS.deadLettersPageMax)
    throw badInput('first', `must be between 0 and ${QUERY_LIMITS.deadLettersPageMax}`)
  const withState = state == null ? sql`` : sql`AND d.state = ${state}`
  const found = await readDeadLetters(
    db,
    sql`d.tenant_id = ${viewer.tenantId} ${withReason(reason)} ${withState} ${whereOf(readFilter(filter ?? {}))} ${beyond(after)}`,
    size + 1,
  )
  return {
    rows: found.slice(0, size).map((node) => ({ cursor: cursorOf(node), node })),
    source: 'raw',
    dependencies: null,
    hasNextPage: found.length > size,
  }
}

/** One dead letter, with its event. */
export interface DeadLetterDetails extends DeadLetter {
  /** The event as JSON, as a patch finds it; null: it cannot be replayed. */
  event: string | null
}

/** One of the tenant's dead letters; no row where it has none with this id. */
export async function deadLetterById(
  db: Database,
  viewer: TenantViewer,
  { id }: { id: string },
): Promise<QueryResult<DeadLetterDetails>> {
  const result = { source: 'raw', dependencies: null } as const
  if (!/^\d{1,18}$/.test(id)) return { ...result, rows: [] }
  const where = sql`d.tenant_id = ${viewer.tenantId} AND d.dead_letter_id = ${id}::int8`
  const [deadLetter] = await readDeadLetters(db, where, 1)
  if (!deadLetter) return { ...result, rows: [] }
  const { rows } = await sql<{ original: Buffer; stamp: string | null }>`
    SELECT d.original, d.stamp FROM dead_letter d WHERE ${where}`.execute(db)
  return {
    ...result,
    rows: rows.map((row) => ({ ...deadLetter, event: readEventText(row) ?? null })),
  }
}

/** For the operator: of one tenant or of all, with those of no tenant; newest received first. */
export async function listDeadLetters(
  db: Database,
  { tenant, reason, limit }: { tenant?: string; reason?: string; limit: number },
): Promise<DeadLetter[]> {
  const ofTenant = tenant === undefined ? sql`true` : sql`t.slug = ${tenant}`
  return readDeadLetters(db, sql`${ofTenant} ${withReason(reason)}`, limit)
}

/** For the operator. @param id decimal digits */
export async function findDeadLetter(db: Database, id: string): Promise<DeadLetter | undefined> {
  if (!/^\d{1,18}$/.test(id)) return undefined
  return (await readDeadLetters(db, sql`d.dead_letter_id = ${id}::int8`, 1))[0]
}

async function readDeadLetters(
  db: Database,
  where: RawBuilder<unknown>,
  limit: number,
): Promise<DeadLetter[]> {
  const { rows } = await sql<Omit<DeadLetter, 'original'> & { original: Buffer }>`
    SELECT d.dead_letter_id::text AS id, t.slug AS tenant, d.reason, d.detail, d.received_at AS "receivedAt",
           d.route, d.client, d.request_id AS "requestId", d.partition, d.log_offset::text AS offset, d.state,
           d.fingerprint, d.pointer, d.key_id::text AS "keyId", d.event_name AS name,
           substr(d.original, 1, ${LIMITS.eventBytesMax}) AS original, length(d.original) AS "originalBytes"
      FROM dead_letter d LEFT JOIN tenant t USING (tenant_id)
     WHERE ${where} ORDER BY d.received_at DESC, d.dead_letter_id DESC LIMIT ${limit}`.execute(db)
  return rows.map((row) => ({ ...row, original: row.original.toString('utf8') }))
}

function withReason(reason: string | null | undefined): RawBuilder<unknown> {
  return reason == null ? sql`` : sql`AND d.reason = ${checkText('reason', reason)}`
}

function beyond(after: string | null | undefined): RawBuilder<unknown> {
  if (after == null) return sql``
  const [, receivedAt, id] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) (\d{1,18})$/.exec(
      Buffer.from(after, 'base64url').toString(),
    ) ?? []
  if (receivedAt === undefined || Number.isNaN(Date.parse(receivedAt)))
    throw badInput('after', 'is not a cursor of this connection')
  return sql`AND (d.received_at, d.dead_letter_id) < (${receivedAt}::timestamptz, ${id}::int8)`
}

function cursorOf({ receivedAt, id }: DeadLetter): string {
  return Buffer.from(`${receivedAt} ${id}`).toString('base64url')
}
