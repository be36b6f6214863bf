import type pg from 'pg'
import type { DeadLetter, DecodedParts, EventRow } from '../decode/decoded.ts'
import { type Repetition, splitConflicting } from './conflicts.ts'
import { groupByDay, inTenantOrder } from './copy-rows.ts'
import { type Copy, copyOf, type EventKey, eventKey, findCopy, findStored } from './find-stored.ts'

export interface Deduplicated {
  /** Rows whose key is stored nowhere within the dedupe horizon. */
  newRows: EventRow[]
  /** Rows whose key is stored already, or came before in the same batch: the first one wins. */
  duplicates: EventRow[]
  /** Duplicates with another content than the first one; those in `duplicates` have the same. */
  conflicting: EventRow[]
  /** Of the expired events: those that are not stored already. */
  deadLetters: DeadLetter[]
  /** The new rows in COPY format, where they are all of one day and no row is a duplicate of a stored one. */
  encoded: Buffer | undefined
}

export interface DeduplicateOptions {
  encode: (rows: readonly EventRow[]) => Buffer
  /** Whether it matters if a duplicate differs from the first one; without it that of every one does. */
  isCounted?: (row: EventRow) => boolean
}

/**
 * Splits a batch's events into new ones and duplicates: those whose key was received within LIMITS.dedupeDays of
 * one that is stored, in this batch or before. An event that is too old to be stored is a duplicate too, if it is
 * one; else it is a dead letter.
 */
export async function deduplicate(
  client: pg.Client,
  { rows, expired }: Pick<DecodedParts, 'rows' | 'expired'>,
  { encode, isCounted = () => true }: DeduplicateOptions,
): Promise<Deduplicated> {
  const { newRows, repetitions, encoded } = await findNewRows(client, encode, rows)
  const deadLetters = await splitExpired(client, { rows, expired }, newRows, repetitions)
  const counted = repetitions.filter(({ row }) => isCounted(row))
  const { same, conflicting } = await splitConflicting(client, counted)
  return { newRows, duplicates: same, conflicting, deadLetters, encoded }
}

/**
 * While Postgres looks the keys up, all rows are encoded: most batches hold no duplicate, and then that is the COPY.
 * A key that comes several times is looked up around its first row; a row that is too far from all copies of its key
 * waits for another round, in which it is the first.
 */
async function findNewRows(
  client: pg.Client,
  encode: DeduplicateOptions['encode'],
  rows: readonly EventRow[],
) {
  const newRows: EventRow[] = []
  const repetitions: Repetition[] = []
  /** New rows of keys that come again in the batch. */
  const kept = new Map<EventKey, Copy[]>()
  let encoded: Buffer | undefined

  for (let pending = rows; pending.length > 0; ) {
    const { first, repeated } = splitRepeated(pending)
    const again = new Set(repeated.map(eventKey))
    const firstRows = inTenantOrder([...first.values()])
    const isFirstRound = pending === rows
    const lookUp = findStored(client, firstRows)
    const early = Promise.resolve().then(() => (isFirstRound ? encodeDay(firstRows) : undefined))
    const [stored, bytes] = await Promise.all([lookUp, early])
    for (const [key, row] of first) {
      const copy = stored.size > 0 ? findCopy(stored.get(key), row) : undefined
      if (copy) repetitions.push({ row, copy })
      else {
        newRows.push(row)
        if (again.has(key)) kept.set(key, [...(kept.get(key) ?? []), copyOf(row)])
      }
    }
    const later: EventRow[] = []
    const waiting = new Set<EventKey>()
    for (const row of repeated) {
      const key = eventKey(row)
      const copies = [...(kept.get(key) ?? []), ...(stored.get(key) ?? [])]
      const copy = waiting.has(key) ? undefined : findCopy(copies, row)
      if (copy) repetitions.push({ row, copy })
      else {
        waiting.add(key)
        later.push(row)
      }
    }
    encoded = isFirstRound && stored.size === 0 && later.length === 0 ? bytes : undefined
    pending = later
  }
  return { newRows, repetitions, encoded }

  function encodeDay(firstRows: readonly EventRow[]): Buffer | undefined {
    return groupByDay(firstRows).size === 1 ? encode(firstRows) : undefined
  }
}

function splitRepeated(rows: readonly EventRow[]) {
  const first = new Map<EventKey, EventRow>()
  const repeated: EventRow[] = []
  for (const row of rows) {
    const key = eventKey(row)
    if (first.has(key)) repeated.push(row)
    else first.set(key, row)
  }
  return { first, repeated }
}

/**
 * Adds the expired events that are duplicates to `repetitions`: of a stored event, or of a new one before it in the log.
 * @returns the dead letters of the others
 */
async function splitExpired(
  client: pg.Client,
  { rows, expired }: Pick<DecodedParts, 'rows' | 'expired'>,
  newRows: readonly EventRow[],
  repetitions: Repetition[],
): Promise<DeadLetter[]> {
  if (expired.length === 0) return []
  const stored = await findStored(
    client,
    expired.map(({ row }) => row),
  )
  const news = new Map<EventKey, EventRow[]>()
  for (const row of newRows) news.set(eventKey(row), [...(news.get(eventKey(row)) ?? []), row])
  const deadLetters: DeadLetter[] = []
  for (const { row, deadLetter, rowsBefore } of expired) {
    const key = eventKey(row)
    const before = (news.get(key) ?? []).filter((other) => rows.indexOf(other) < rowsBefore)
    const copy = findCopy([...before.map(copyOf), ...(stored.get(key) ?? [])], row)
    if (copy) repetitions.push({ row, copy })
    else deadLetters.push(deadLetter)
  }
  return deadLetters
}
