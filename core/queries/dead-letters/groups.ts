import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { WORKBENCH_LIMITS } from '../../dead-letters/limits.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'

export type GroupState = 'open' | 'resolved'

/** Dead letters of one cause: reason, pointer, key and client. */
export interface DeadLetterGroup {
  fingerprint: string
  reason: string
  pointer: string | null
  keyId: string | null
  client: string | null
  /** Of one of the newest. */
  detail: string
  /** How many of those that are kept are in which state. */
  open: number
  replayed: number
  discarded: number
  firstAt: Instant
  lastAt: Instant
  state: GroupState
  /** When it was resolved and the same cause came again. */
  reopenedAt: Instant | null
  version: number
  /** How many were received, oldest first: of the last 24 hours, or of the last 30 days. */
  spark: number[]
}

export interface DeadLetterGroupsArgs {
  first?: number | null
  /** The cursor of the page before. */
  after?: string | null
  state?: GroupState | null
  reason?: string | null
  key?: string | null
  client?: string | null
  sparkOf?: 'hour' | 'day' | null
}

export interface DeadLetterGroups extends QueryResult<DeadLetterGroup> {
  /** Of the tenant's groups, whatever was asked for. */
  counts: Record<GroupState, number>
  /** undefined: there are no more. */
  nextCursor: string | undefined
}

const SPARK = { hour: 24, day: 30 } as const

/** Causes with their dead letters, the latest first. */
export async function deadLetterGroups(
  db: Database,
  viewer: TenantViewer,
  args: DeadLetterGroupsArgs,
): Promise<DeadLetterGroups> {
  const size = args.first ?? WORKBENCH_LIMITS.groupsPageMax
  if (size < 1 || size > WORKBENCH_LIMITS.groupsPageMax)
    throw badInput('first', `must be between 1 and ${WORKBENCH_LIMITS.groupsPageMax}`)
  const equals = (column: string, name: 'state' | 'reason' | 'client' | 'key') => {
    const value = args[name]
    return value == null ? sql`` : sql`AND ${sql.raw(column)} = ${checkText(name, value)}`
  }
  const { rows } = await sql<Omit<DeadLetterGroup, 'spark'>>`
    SELECT fingerprint, reason, pointer, key_id::text AS "keyId", client, detail, open::float8 AS open, replayed::float8 AS replayed,
           discarded::float8 AS discarded, first_at AS "firstAt", last_at AS "lastAt", state, reopened_at AS "reopenedAt", version
      FROM dead_letter_group
     WHERE tenant_id = ${viewer.tenantId} ${equals('state', 'state')} ${equals('reason', 'reason')} ${equals('client', 'client')}
           ${equals('key_id::text', 'key')} ${beyond(args.after)}
     ORDER BY last_at DESC, fingerprint LIMIT ${size + 1}`.execute(db)
  const page = rows.slice(0, size)
  const sparks = await readSparks(db, viewer.tenantId, page, args.sparkOf ?? 'hour')
  const last = page.at(-1)
  return {
    rows: page.map((group) => ({ ...group, spark: sparks.get(group.fingerprint) ?? [] })),
    counts: await countStates(db, viewer.tenantId),
    nextCursor: rows.length > size && last ? cursorOf(last) : undefined,
    ...{ source: 'raw', dependencies: null },
  }
}

async function readSparks(
  db: Database,
  tenantId: number,
  groups: readonly { fingerprint: string }[],
  unit: 'hour' | 'day',
): Promise<Map<string, number[]>> {
  const size = SPARK[unit]
  const step = sql.raw(`interval '1 ${unit}'`)
  const { rows } = await sql<{ fingerprint: string; back: number; count: number }>`
    SELECT fingerprint, (extract(epoch FROM date_trunc(${unit}, now(), 'UTC') - date_trunc(${unit}, hour, 'UTC')) / extract(epoch FROM ${step}))::int AS back,
           sum(count)::float8 AS count
      FROM dead_letter_hour
     WHERE tenant_id = ${tenantId} AND fingerprint = ANY (${groups.map(({ fingerprint }) => fingerprint)})
       AND hour > date_trunc(${unit}, now(), 'UTC') - ${size} * ${step}
     GROUP BY 1, 2`.execute(db)
  const sparks = new Map(
    groups.map(({ fingerprint }) => [fingerprint, Array<number>(size).fill(0)] as const),
  )
  for (const { fingerprint, back, count } of rows) {
    const spark = sparks.get(fingerprint)
    if (spark && back >= 0 && back < size) spark[size - 1 - back] = count
  }
  return sparks
}

async function countStates(db: Database, tenantId: number): Promise<Record<GroupState, number>> {
  const { rows } = await sql<{ state: GroupState; count: number }>`
    SELECT state, count(*)::float8 AS count FROM dead_letter_group WHERE tenant_id = ${tenantId} GROUP BY 1`.execute(
    db,
  )
  return {
    ...{ open: 0, resolved: 0 },
    ...Object.fromEntries(rows.map(({ state, count }) => [state, count])),
  }
}

function beyond(after: string | null | undefined) {
  if (after == null) return sql``
  const [, lastAt, fingerprint] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) (.{0,64})$/.exec(
      Buffer.from(after, 'base64url').toString(),
    ) ?? []
  if (lastAt === undefined || Number.isNaN(Date.parse(lastAt)))
    throw badInput('after', 'is not a cursor of this list')
  return sql`AND last_at <= ${lastAt}::timestamptz AND (last_at < ${lastAt}::timestamptz OR fingerprint > ${checkText('after', fingerprint ?? '')})`
}

function cursorOf({ lastAt, fingerprint }: { lastAt: Instant; fingerprint: string }): string {
  return Buffer.from(`${lastAt} ${fingerprint}`).toString('base64url')
}
