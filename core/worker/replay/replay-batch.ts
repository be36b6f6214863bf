import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { decodeRecord } from '../../../contract/log/record.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { LogBatch } from '../../log/log.ts'
import { type DeadLetter, type Decoded, type EventRow, place } from '../decode/decode.ts'
import { deadLetters, upsertAggregates } from '../write/aggregates.ts'
import {
  copyRows,
  highestSql,
  readHighest,
  sieve,
  sumUp,
  type TenantHighest,
  type WriteDeps,
} from '../write/write-batch.ts'

const DAY_S = DAY_MS / 1000

/** What became of records that were read again. */
export interface Replayed {
  /** Events that were not there, and are now. */
  stored: number
  /** Of those and of duplicates: how many had been dead letters. */
  revived: number
  /** Records that changed nothing: their event is there, or their dead letter is. */
  unchanged: number
  /** Dead letters that were not there, and are now. */
  dead: number
  /** Received on days whose events may have been dropped: nothing could tell whether they counted already. */
  refused: number
}

export interface ReplayDeps extends WriteDeps {
  /** Only look. */
  dryRun: boolean
  /** Records received on an earlier day are refused; days since 1970-01-01, UTC. */
  oldestDay: number
  ensure: (rows: readonly EventRow[]) => Promise<void>
}

/** The worker has not been there yet: a replay goes no further than it has. */
export class NotAppliedError extends Error {
  constructor(topic: string) {
    super(`not all of these records of ${topic} were applied for the first time yet`)
    this.name = 'NotAppliedError'
  }
}

/**
 * One batch again, one transaction, with the worker's own parts:
 *
 *   hold the positions where they are ▶ which keys exist already ▶ COPY the new rows ▶ rollups, outcomes … ▶ commit
 *
 * The positions' rows are locked and not moved, so that whatever the worker writes of these partitions comes before or
 * after, never between the look-up and the rows. A record that is there already, as an event or as a dead letter, changes
 * no number. One that was a dead letter and can be stored now leaves the dead ones and joins the others, in the minute it
 * was received.
 */
export async function replayBatch(
  deps: ReplayDeps,
  batch: LogBatch,
  decoded: readonly Decoded[],
): Promise<Replayed> {
  const { client, topic } = deps
  const all = decoded.flatMap((each) => (each.is === 'event' ? [each.row] : []))
  const rows = all.filter((row) => row.receivedDay >= deps.oldestDay)
  const letters = decoded
    .flatMap((each) => (each.is === 'dead' ? [each.letter] : []))
    .filter(({ receivedMs }) => Math.floor(receivedMs / DAY_MS) >= deps.oldestDay)
  const refused = decoded.length - rows.length - letters.length
  if (!deps.dryRun) await deps.ensure(rows)
  await client.query('BEGIN')
  try {
    const highest = await holdPositions(deps, batch, rows)
    const written = await writtenLetters(client, topic, batch)
    const { fresh, repeated, encoded } = await sieve(deps, rows)
    const wasDead = (row: EventRow) => written.get(place(row.record)) === 'open'
    const late = [...fresh, ...repeated].filter(wasDead)
    const made = await missingLetters(deps, letters, written)
    const result: Replayed = {
      stored: fresh.length,
      revived: late.length,
      unchanged:
        decoded.length - refused - fresh.length - repeated.filter(wasDead).length - made.length,
      dead: made.length,
      refused,
    }
    if (deps.dryRun) {
      await client.query('ROLLBACK')
      return result
    }
    const [rolledUp] = await Promise.all([
      sumUp(deps, fresh, highest),
      copyRows(deps, fresh, encoded),
    ])
    if (made.length > 0) await deadLetters(client, topic, made)
    if (late.length > 0) await markReplayed(client, topic, late)
    await upsertAggregates(client, rolledUp, {
      fresh,
      repeated: repeated.filter(wasDead),
      letters: made,
      revived: await ofTenants(client, topic, late),
    })
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

async function holdPositions(
  { client, topic }: ReplayDeps,
  batch: LogBatch,
  rows: readonly EventRow[],
): Promise<Map<number, number>> {
  const { rows: held } = await client.query<{ partition: number; next: string }>(
    `SELECT partition, next_offset AS next FROM log_position
      WHERE topic = $1 AND partition = ANY ($2) ORDER BY partition FOR UPDATE`,
    [topic, batch.partitions.map(({ partition }) => partition)],
  )
  const applied = new Map(held.map(({ partition, next }) => [partition, Number(next)]))
  if (batch.partitions.some((run) => (applied.get(run.partition) ?? 0) < run.nextOffset))
    throw new NotAppliedError(topic)
  const tenants = [...new Set(rows.map((row) => row.tenantId))]
  return readHighest((await client.query<TenantHighest>(highestSql(tenants))).rows)
}

/** States of the dead letters that this batch's records became, by `place`. */
async function writtenLetters(
  client: pg.Client,
  topic: string,
  batch: LogBatch,
): Promise<Map<string, string>> {
  const written = new Map<string, string>()
  for (const { partition, baseOffset: from, nextOffset: next } of batch.partitions) {
    const { rows } = await client.query<{ at: string; state: string }>(
      `SELECT partition || ':' || log_offset AS at, state FROM dead_letter
        WHERE topic = $1 AND partition = $2 AND log_offset >= $3 AND log_offset < $4`,
      [topic, partition, from, next],
    )
    for (const { at, state } of rows) written.set(at, state)
  }
  return written
}

/**
 * Letters whose record is known neither as a letter nor as an event: rules may have changed since it was stored. The event
 * is looked for by its id and not by its place: a duplicate was counted as one, and its event stands where it first came.
 * And on the day that the record itself names: the letter's is another one where that is no longer believed.
 */
async function missingLetters(
  { client }: ReplayDeps,
  letters: readonly DeadLetter[],
  written: ReadonlyMap<string, string>,
): Promise<DeadLetter[]> {
  const made: DeadLetter[] = []
  for (const letter of letters) {
    if (written.has(place(letter.record))) continue
    const read = decodeRecord(letter.record.value.toString('utf8'))
    const stored =
      read.ok &&
      letter.tenantId !== null &&
      (await client.query(
        `SELECT FROM event WHERE tenant_id = $1 AND event_id = $2
            AND received_on BETWEEN to_timestamp($3)::date AND to_timestamp($4)::date LIMIT 1`,
        [
          letter.tenantId,
          eventUuid(read.record.event.event_id),
          read.received.ms / 1000 - LIMITS.dedupeDays * DAY_S,
          read.received.ms / 1000 + LIMITS.dedupeDays * DAY_S,
        ],
      ))
    if (!stored || stored.rowCount === 0) made.push(letter)
  }
  return made
}

async function markReplayed(
  client: pg.Client,
  topic: string,
  rows: readonly EventRow[],
): Promise<void> {
  await client.query(
    `UPDATE dead_letter d SET state = 'replayed' FROM unnest($2::int[], $3::bigint[]) AS x (partition, log_offset)
      WHERE d.topic = $1 AND d.partition = x.partition AND d.log_offset = x.log_offset`,
    [topic, rows.map(({ record }) => record.partition), rows.map(({ record }) => record.offset)],
  )
}

/** In whose balance they stood as dead, and in which minute; those of no tenant stood in none. */
async function ofTenants(client: pg.Client, topic: string, rows: readonly EventRow[]) {
  if (rows.length === 0) return []
  const { rows: letters } = await client.query<{ tenant: number; ms: number }>(
    `SELECT d.tenant_id AS tenant, (extract(epoch FROM d.received_at) * 1000)::float8 AS ms
       FROM dead_letter d JOIN unnest($2::int[], $3::bigint[]) AS x (partition, log_offset) USING (partition, log_offset)
      WHERE d.topic = $1 AND d.tenant_id IS NOT NULL`,
    [topic, rows.map(({ record }) => record.partition), rows.map(({ record }) => record.offset)],
  )
  return letters.map(({ tenant, ms }) => ({ tenantId: tenant, receivedMs: ms }))
}
