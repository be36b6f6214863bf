import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { decodeRecord } from '../../../contract/log/record.ts'
import { DAY_MS } from '../../db/day-partitions.ts'
import { eventUuid } from '../../db/event-uuid.ts'
import type { LogBatch } from '../../log/log.ts'
import { type DeadLetter, type DecodedParts, type EventRow, offsetKey } from '../decode/decoded.ts'
import { deduplicate } from './deduplicate.ts'

/** What a batch changes in the database. */
export interface BatchChanges {
  newRows: EventRow[]
  /** Those that are counted as duplicates by this batch. */
  duplicates: EventRow[]
  /** The same of duplicates whose content differs. */
  conflicting: EventRow[]
  deadLetters: DeadLetter[]
  /** Of the new rows and the duplicates, those that had been dead letters. */
  recoveredRows: EventRow[]
  /** The new rows in COPY format, where `deduplicate` had them encoded. */
  encoded: Buffer | undefined
}

type Encode = (rows: readonly EventRow[]) => Buffer

/** Of records that are applied for the first time. */
export async function findChanges(
  client: pg.Client,
  encode: Encode,
  parts: DecodedParts,
): Promise<BatchChanges> {
  const deduplicated = await deduplicate(client, parts, { encode })
  const deadLetters = [...parts.deadLetters, ...deduplicated.deadLetters]
  return { ...deduplicated, deadLetters, recoveredRows: [] }
}

/** Of records that were applied before: those that are stored already, or dead letters already, change nothing. */
export async function findRereadChanges(
  client: pg.Client,
  topic: string,
  encode: Encode,
  batch: LogBatch,
  parts: DecodedParts,
): Promise<BatchChanges> {
  const known = await readDeadLetterStates(client, topic, batch)
  const wasDead = (row: EventRow) => known.get(offsetKey(row.record)) === 'open'
  // Any other duplicate was counted as stored or as a duplicate before.
  const { newRows, duplicates, conflicting, ...rest } = await deduplicate(client, parts, {
    encode,
    isCounted: wasDead,
  })
  const deadLetters = [...parts.deadLetters, ...rest.deadLetters]
  return {
    newRows,
    duplicates,
    conflicting,
    deadLetters: await findMissingDeadLetters(client, deadLetters, known),
    recoveredRows: [...newRows, ...duplicates, ...conflicting].filter(wasDead),
    encoded: rest.encoded,
  }
}

/** States of the dead letters that this batch's records became, by `offsetKey`. */
async function readDeadLetterStates(
  client: pg.Client,
  topic: string,
  batch: LogBatch,
): Promise<ReadonlyMap<string, string>> {
  const states = new Map<string, string>()
  for (const { partition, baseOffset, nextOffset } of batch.partitions) {
    const { rows } = await client.query<{ offset: string; state: string }>(
      `SELECT log_offset AS offset, state FROM dead_letter
        WHERE topic = $1 AND partition = $2 AND log_offset >= $3 AND log_offset < $4`,
      [topic, partition, baseOffset, nextOffset],
    )
    for (const row of rows)
      states.set(offsetKey({ partition, offset: Number(row.offset) }), row.state)
  }
  return states
}

/**
 * Dead letters whose record is known neither as a dead letter nor as an event: rules may have changed since it was
 * stored. The event is looked up by its id and not by its offset: a duplicate was counted as one, and its event has
 * the offset at which it first came. And on the day that the record itself names: the dead letter has another one
 * where that time is no longer believed.
 */
async function findMissingDeadLetters(
  client: pg.Client,
  deadLetters: readonly DeadLetter[],
  known: ReadonlyMap<string, string>,
): Promise<DeadLetter[]> {
  const missing: DeadLetter[] = []
  for (const deadLetter of deadLetters)
    if (!known.has(offsetKey(deadLetter.record)) && !(await isStored(client, deadLetter)))
      missing.push(deadLetter)
  return missing
}

const DEDUPE_S = (LIMITS.dedupeDays * DAY_MS) / 1000

async function isStored(client: pg.Client, { tenantId, record }: DeadLetter): Promise<boolean> {
  const read = decodeRecord(record.value.toString('utf8'))
  if (!read.ok || tenantId === null) return false
  const { event, trust } = read.record
  const receivedS = read.received.ms / 1000
  const { rowCount } = await client.query(
    `SELECT FROM event WHERE tenant_id = $1 AND event_id = $2
        AND received_on BETWEEN to_timestamp($3)::date AND to_timestamp($4)::date LIMIT 1`,
    [tenantId, eventUuid(event.event_id, trust), receivedS - DEDUPE_S, receivedS + DEDUPE_S],
  )
  return rowCount !== 0
}
