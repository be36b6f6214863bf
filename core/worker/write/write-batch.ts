import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { LIMITS } from '../../../contract/limits.ts'
import { dayTable, isoDay } from '../../db/day-partitions.ts'
import type { LogBatch } from '../../log/log.ts'
import type { DeadLetter, Decoded, EventRow } from '../decode/decode.ts'
import type { Tenants } from '../decode/tenant-settings.ts'
import { deadLetters, upsertAggregates } from './aggregates.ts'
import { COPY_COLUMNS } from './copy-rows.ts'
import { type RolledUp, rollUp } from './roll-up.ts'
import type { SeriesDirectory } from './series.ts'

/**
 * One batch, one transaction:
 *
 *   move the position by compare-and-set ▶ which keys exist already ▶ COPY the new rows ▶
 *   rollups, outcomes, watermarks, dead letters of exactly those ▶ commit
 *
 * The crash story. The position moves with the results it stands for, so a crash before the commit
 * leaves neither, and the batch is read again; a crash after it leaves both. It moves FIRST: its row
 * lock lets one writer in at a time, and a worker that was frozen and lost its partition to another
 * finds the position elsewhere and touches nothing. The keys are looked up after that lock is taken,
 * so whatever an earlier holder stored is visible. Should a duplicate slip through all the same
 * (its key came through another log partition), the primary key refuses it with 23505, the whole
 * batch rolls back, and the next try sees it. Rollups come last: their rows are the only ones that
 * two writers share, and they are locked in one order for the shortest time.
 */
export interface WriteDeps {
  client: pg.Client
  topic: string
  tenants: Tenants
  series: SeriesDirectory
  encode: (rows: readonly EventRow[]) => Buffer
}

export interface Written {
  stored: number
  duplicates: number
  dead: number
}

/** Somebody else moved the position: another worker owns these partitions now, or a commit got through unheard. */
export class FencedError extends Error {
  readonly code = 'FENCED'

  constructor(topic: string) {
    super(`the position in ${topic} was moved by another worker; reading it again`)
    this.name = 'FencedError'
  }
}

/** Postgres took a COPY and said nothing more. */
export class CopyTimeoutError extends Error {
  readonly code = 'ETIMEDOUT'

  constructor() {
    super('COPY was not confirmed in time')
    this.name = 'CopyTimeoutError'
  }
}

export async function writeBatch(
  deps: WriteDeps,
  batch: LogBatch,
  decoded: readonly Decoded[],
): Promise<Written> {
  const { client } = deps
  const parts = sort(decoded)
  const highestBefore = await openAndMove(deps, batch, tenantIds(parts.rows))
  try {
    const written = await writeParts(deps, parts, highestBefore)
    await client.query('COMMIT')
    return written
  } catch (error) {
    // The caller throws this connection away unless the rollback went through.
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** All that `writeBatch` does between the position and the commit; nothing of it is kept. */
export async function tryToWrite(deps: WriteDeps, decoded: readonly Decoded[]): Promise<void> {
  await deps.client.query('BEGIN')
  try {
    await writeParts(deps, sort(decoded), new Map())
  } finally {
    await deps.client.query('ROLLBACK')
  }
}

interface Parts {
  rows: EventRow[]
  letters: DeadLetter[]
}

function sort(decoded: readonly Decoded[]): Parts {
  const rows: EventRow[] = []
  const letters: DeadLetter[] = []
  for (const each of decoded) {
    if (each.is === 'event') rows.push(each.row)
    else letters.push(each.letter)
  }
  return { rows, letters }
}

async function writeParts(
  deps: WriteDeps,
  { rows, letters }: Parts,
  highestBefore: ReadonlyMap<number, number>,
): Promise<Written> {
  const { fresh, repeated, encoded } = await sieve(deps, rows)
  // Postgres copies while we add up; `all`, so that neither's failure goes unheard.
  const [rolledUp] = await Promise.all([
    sumUp(deps, fresh, highestBefore),
    copyRows(deps, fresh, encoded),
  ])
  if (letters.length > 0) await deadLetters(deps.client, deps.topic, letters)
  await upsertAggregates(deps.client, rolledUp, { fresh, repeated, letters })
  return { stored: fresh.length, duplicates: repeated.length, dead: letters.length }
}

/** Begins, moves every position of the batch or none, and tells how far each tenant's time had come. */
async function openAndMove(
  { client, topic }: WriteDeps,
  batch: LogBatch,
  tenants: readonly number[],
): Promise<Map<number, number>> {
  // One round trip for three statements; all the values are numbers of our own.
  const moves = batch.partitions.map(
    (run) => `(${run.partition}, ${run.baseOffset}, ${run.nextOffset})`,
  )
  const results = (await client.query(`
    BEGIN;
    UPDATE log_position p SET next_offset = m.next
      FROM (VALUES ${moves.join(', ')}) AS m (partition, now, next)
     WHERE p.topic = ${client.escapeLiteral(topic)} AND p.partition = m.partition AND p.next_offset = m.now;
    ${highestSql(tenants)}
  `)) as unknown as pg.QueryResult<TenantHighest>[]
  if (results[1]?.rowCount !== batch.partitions.length) {
    await client.query('ROLLBACK')
    throw new FencedError(topic)
  }
  return readHighest(results[2]?.rows ?? [])
}

export interface TenantHighest {
  tenant_id: number
  ms: number
}

/** How far each tenant's time has come. */
export function highestSql(tenants: readonly number[]): string {
  return `SELECT tenant_id, (extract(epoch FROM max(highest_at)) * 1000)::float8 AS ms FROM watermark
     WHERE tenant_id IN (${[0, ...tenants].join(', ')}) GROUP BY tenant_id`
}

export function readHighest(rows: readonly TenantHighest[]): Map<number, number> {
  return new Map(rows.map((row) => [row.tenant_id, Math.floor(row.ms)]))
}

export async function sumUp(
  { series, tenants }: WriteDeps,
  rows: readonly EventRow[],
  highestBefore: ReadonlyMap<number, number>,
): Promise<RolledUp> {
  // Let the copy be sent first.
  await Promise.resolve()
  return rollUp(rows, {
    seriesId: (row) => series.id(row.tenantId, row.event.name),
    allowedLatenessMs: (id) => tenants.byId(id).allowedLatenessS * 1000,
    highestBefore: (id) => highestBefore.get(id) ?? Number.NEGATIVE_INFINITY,
  })
}

/**
 * The rows whose key is new, and those that are here already or twice in this batch: the first one wins.
 * While Postgres looks, all rows are encoded: most batches hold no duplicate, and then that is the COPY.
 */
export async function sieve({ client, encode }: WriteDeps, rows: readonly EventRow[]) {
  const first: EventRow[] = []
  const repeated: EventRow[] = []
  const seen = new Set<string>()
  for (const row of rows) {
    const at = key(row.tenantId, row.eventId)
    if (seen.has(at)) repeated.push(row)
    else {
      seen.add(at)
      first.push(row)
    }
  }
  const days = byDay(first)
  const fresh: EventRow[] = []
  let encoded: Buffer | undefined
  for (const [day, ofDay] of days) {
    const asked = storedAlready(client, day, ofDay)
    const early = Promise.resolve().then(() => (days.size === 1 ? encode(ofDay) : undefined))
    const [stored, bytes] = await Promise.all([asked, early])
    if (stored.size === 0) encoded = bytes
    for (const row of ofDay)
      (stored.size > 0 && stored.has(key(row.tenantId, row.eventId)) ? repeated : fresh).push(row)
  }
  return { fresh, repeated, encoded }
}

/**
 * Keys of these rows that were received within the dedupe horizon of their day: one descent of the primary
 * key for each row and day. Planned anew each time (no name): a plan made while the day was empty takes
 * whichever index comes first, and would be kept when the day has a million rows. And each day is a branch
 * with all three columns of the key, because only then the planner knows it to be one row at most.
 */
async function storedAlready(
  client: pg.Client,
  day: number,
  rows: readonly EventRow[],
): Promise<Set<string>> {
  const days: string[] = []
  for (let d = day - LIMITS.dedupeDays + 1; d < day + LIMITS.dedupeDays; d++)
    days.push(
      `SELECT FROM event x WHERE x.tenant_id = s.tenant AND x.event_id = s.id AND x.received_on = DATE '${isoDay(d)}'`,
    )
  const { rows: found } = await client.query<{ tenant: number; id: string }>(
    `SELECT s.tenant, s.id FROM unnest($1::int[], $2::uuid[]) AS s (tenant, id)
      CROSS JOIN LATERAL (${days.join(' UNION ALL ')}) x`,
    // Array literals spelt here: pg would quote and escape each of ten thousand elements.
    [
      `{${rows.map((row) => row.tenantId).join(',')}}`,
      `{${rows.map((row) => row.eventId).join(',')}}`,
    ],
  )
  return new Set(found.map((row) => key(row.tenant, row.id)))
}

function key(tenantId: number, eventId: string): string {
  return `${tenantId} ${eventId}`
}

/** Straight into each day's partition: routing by the parent costs, and a batch near midnight has two days. */
export async function copyRows(
  { client, encode }: Pick<WriteDeps, 'client' | 'encode'>,
  rows: readonly EventRow[],
  /** Where they are all of one day and were encoded before. */
  encoded?: Buffer,
): Promise<void> {
  for (const [day, ofDay] of byDay(rows)) {
    // First: what fails here must not leave a COPY open that nobody ends.
    const bytes = encoded ?? encode(ofDay)
    const sink = client.query(
      copyFrom(`COPY ${dayTable('event', day)} (${COPY_COLUMNS}) FROM STDIN (FORMAT binary)`),
    )
    await new Promise<void>((resolve, reject) => {
      // A socket that dies mid-copy rejects through `error`; the deadline is the server's statement_timeout
      // and, where the server is silent, this timer.
      const timer = setTimeout(
        () => sink.destroy(new CopyTimeoutError()),
        LIMITS.workerStatementMsMax + 5_000,
      )
      sink.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      sink.once('finish', () => {
        clearTimeout(timer)
        resolve()
      })
      sink.end(bytes)
    })
  }
}

function byDay(rows: readonly EventRow[]): Map<number, EventRow[]> {
  const days = new Map<number, EventRow[]>()
  for (const row of rows) {
    const ofDay = days.get(row.receivedDay)
    if (ofDay) ofDay.push(row)
    else days.set(row.receivedDay, [row])
  }
  return days
}

function tenantIds(rows: readonly EventRow[]): number[] {
  return [...new Set(rows.map((row) => row.tenantId))]
}
