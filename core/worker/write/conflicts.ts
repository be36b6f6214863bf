import { isDeepStrictEqual } from 'node:util'
import type pg from 'pg'
import type { Instant } from '../../../contract/event/time.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { type Column, createStatement, unnest } from '../../db/statement.ts'
import type { EventRow } from '../decode/decoded.ts'
import type { Copy } from './find-stored.ts'

/** A duplicate, and the copy that came first. */
export interface Repetition {
  row: EventRow
  copy: Copy
}

/**
 * Members of the context that name an attempt to send and not the event: libraries of Segment's kind and PostHog's
 * write them anew at each try.
 */
const PER_ATTEMPT = ['sentAt', 'sent_at', 'created_at', '_metadata']

/**
 * Which duplicates differ from the first copy in what their client sent. A time counts only where the client gave
 * one, as it gave it: the time received and what was computed or corrected from it is another one at each try.
 */
export async function splitConflicting(
  client: pg.Client,
  repetitions: readonly Repetition[],
): Promise<{ same: EventRow[]; conflicting: EventRow[] }> {
  const isConflicting = new Set<EventRow>()
  const stored: Repetition[] = []
  for (const repetition of repetitions) {
    const { row, copy } = repetition
    if (copy.row === undefined) stored.push(repetition)
    else if (!hasSameContent(row, copy.row)) isConflicting.add(row)
  }
  if (stored.length > 0)
    for (const row of await findConflicting(client, stored)) isConflicting.add(row)
  const same: EventRow[] = []
  const conflicting: EventRow[] = []
  for (const { row } of repetitions) (isConflicting.has(row) ? conflicting : same).push(row)
  return { same, conflicting }
}

const PLAIN = ['name', 'value', 'actor', 'session', 'source', 'schema_version'] as const

/** As FIND_CONFLICTING compares them, for two rows of a batch. */
function hasSameContent(row: EventRow, first: EventRow): boolean {
  const [a, b] = [row.event, first.event]
  if (PLAIN.some((field) => a[field] !== b[field])) return false
  const [at, firstAt] = [clientTime(row), clientTime(first)]
  if (at && firstAt && (at.ms !== firstAt.ms || at.us !== firstAt.us)) return false
  return (
    isSameJson(a.properties, b.properties) &&
    isSameJson(lastingContext(row) ?? {}, lastingContext(first) ?? {})
  )
}

/** Members in any order. -0 is written as 0, to Postgres too. */
function isSameJson(a: unknown, b: unknown): boolean {
  const [one, other] = [JSON.stringify(a), JSON.stringify(b)]
  return one === other || isDeepStrictEqual(JSON.parse(one), JSON.parse(other))
}

function lastingContext({ event }: EventRow): Record<string, unknown> | undefined {
  if (event.context === undefined) return undefined
  const lasting = Object.entries(event.context).filter(([key]) => !PER_ATTEMPT.includes(key))
  return Object.fromEntries(lasting)
}

/** The client's own time; undefined where it gave none, or none that is the same at each try. */
function clientTime(row: EventRow): Instant | undefined {
  if (row.timeIsComputed) return undefined
  if (row.clientOccurred) return row.clientOccurred
  const { occurred, received } = row
  return occurred.ms === received.ms && occurred.us === received.us ? undefined : occurred
}

/** One statement for each day on which copies were received; nearly always that is one. */
async function findConflicting(
  client: pg.Client,
  repetitions: readonly Repetition[],
): Promise<EventRow[]> {
  const byDay = new Map<number, EventRow[]>()
  for (const { row, copy } of repetitions) {
    const day = Math.floor(copy.receivedUs / 1000 / DAY_MS)
    const ofDay = byDay.get(day)
    if (ofDay) ofDay.push(row)
    else byDay.set(day, [row])
  }
  const conflicting: EventRow[] = []
  for (const [day, rows] of byDay) {
    const receivedOn = new Date(day * DAY_MS).toISOString()
    const { rows: found } = await client.query<{ n: number }>(
      FIND_CONFLICTING({ receivedOn, rows: rows.map((row, n) => ({ row, n })) }),
    )
    for (const { n } of found) conflicting.push(rows[n] as EventRow)
  }
  return conflicting
}

interface Numbered {
  row: EventRow
  n: number
}

const COLUMNS: readonly Column<Numbered>[] = [
  { name: 'n', type: 'int', value: ({ n }) => n },
  { name: 'tenant', type: 'int', value: ({ row }) => row.tenantId },
  { name: 'id', type: 'uuid', value: ({ row }) => row.eventId },
  { name: 'name', type: 'text', value: ({ row }) => row.event.name },
  { name: 'value', type: 'float8', value: ({ row }) => row.event.value ?? null },
  { name: 'actor', type: 'text', value: ({ row }) => row.event.actor ?? null },
  { name: 'session', type: 'text', value: ({ row }) => row.event.session ?? null },
  { name: 'source', type: 'text', value: ({ row }) => row.event.source ?? null },
  { name: 'version', type: 'text', value: ({ row }) => row.event.schema_version ?? null },
  { name: 'properties', type: 'text', value: ({ row }) => JSON.stringify(row.event.properties) },
  {
    name: 'context',
    type: 'text',
    value: ({ row }) => JSON.stringify(lastingContext(row) ?? {}),
  },
  { name: 'us', type: 'bigint', value: ({ row }) => microsOf(clientTime(row)) },
]

function microsOf(time: Instant | undefined): string | null {
  return time ? String(BigInt(time.ms) * 1000n + BigInt(time.us)) : null
}

/**
 * The numbers of rows that differ from the copy with their key that was received on that day. The day is written as a
 * branch of its own, for the reason given at findStored; planned each time for the same one.
 */
const FIND_CONFLICTING = createStatement<{ receivedOn: string; rows: readonly Numbered[] }>(
  undefined,
  (add) => `
SELECT s.n FROM ${unnest(add, COLUMNS, ({ rows }) => rows)}
 CROSS JOIN LATERAL (
   SELECT * FROM event x
    WHERE x.tenant_id = s.tenant AND x.event_id = s.id AND x.received_on = ${add(({ receivedOn }) => receivedOn, 'date')}
   OFFSET 0) x
 WHERE (x.name, x.value, x.actor, x.session, x.source, x.schema_version)
         IS DISTINCT FROM (s.name, s.value, s.actor, s.session, s.source, s.version)
    OR x.properties IS DISTINCT FROM s.properties::jsonb
    OR coalesce(x.context - '{${PER_ATTEMPT.join(',')}}'::text[], '{}') IS DISTINCT FROM s.context::jsonb
    OR (extract(epoch FROM coalesce(x.client_occurred_at, nullif(x.occurred_at, x.received_at))) * 1000000)::bigint <> s.us`,
)
