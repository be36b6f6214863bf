import { crc32, looksLikeApiKey, mintApiKey, sha256Hex } from '../api-key.ts'
import { readBatch } from '../event/batch.ts'
import { normalise } from '../event/normalise.ts'
import { readTime } from '../event/time.ts'
import { derivedEventId, isUuid, uuidV7 } from '../event/uuid.ts'
import { decodeRecord, recordEncoder } from '../log/record.ts'
import {
  BATCHES,
  type BatchVector,
  DERIVED_IDS,
  ENCODED,
  type EventVector,
  KEYS,
  NOT_KEYS,
  RECEIVED_AT,
  RECORDS,
  TIMES,
  UUIDS,
} from './vectors.ts'

/** A vector whose result differs in this runtime. */
export interface VectorFailure {
  title: string
  expected: string
  found: string
}

/** Runs every golden vector in the current runtime. @returns the vectors that differ; empty on success */
export async function runVectors(): Promise<VectorFailure[]> {
  const failures: VectorFailure[] = []
  function expectSame(title: string, found: unknown, expected: unknown) {
    const a = JSON.stringify(found) ?? 'undefined'
    const b = JSON.stringify(expected) ?? 'undefined'
    if (a !== b) failures.push({ title, expected: cut(b), found: cut(a) })
  }

  for (const vector of BATCHES) expectSame(vector.title, readAll(vector.body), expectedOf(vector))
  for (const [written, formatted] of TIMES) {
    const read = readTime(written)
    expectSame(`time ${String(written)}`, read.ok ? read.time : null, formatted)
  }
  for (const { key, crc, sha256 } of KEYS) {
    expectSame(`key ${key}`, looksLikeApiKey(key), true)
    expectSame(`CRC-32 of ${key}`, crc32(key.slice(0, -6)), crc)
    expectSame(`SHA-256 of ${key}`, await sha256Hex(key), sha256)
  }
  for (const text of NOT_KEYS) expectSame(`not a key: ${text}`, looksLikeApiKey(text), false)
  expectSame('a new key has the form of a key', looksLikeApiKey(mintApiKey('pub')), true)
  for (const [source, id] of DERIVED_IDS)
    expectSame(`id of ${JSON.stringify(source)}`, await derivedEventId(source), id)
  for (const [text, expected] of UUIDS) expectSame(`UUID ${text}`, isUuid(text), expected)
  // The example of RFC 9562, A.6: 017F22E2-79B0-7… is 2022-02-22T19:22:22Z.
  expectSame('UUIDv7', uuidV7(1645557742000).slice(0, 15), '017f22e2-79b0-7')

  const { stamp, eventJson, plain, historical } = ENCODED
  expectSame('a record', recordEncoder(stamp).event(eventJson), plain)
  const historicalEncoder = recordEncoder({ ...stamp, historical: true })
  expectSame('a historical record', historicalEncoder.event(eventJson), historical)
  for (const [value, outcome] of RECORDS) {
    const decoded = decodeRecord(value)
    expectSame(`record ${cut(value)}`, decoded.ok ? 'event' : decoded.reason, outcome)
  }
  return failures
}

/** What the edge makes of a body, as far as it depends on the body alone. */
function readAll(body: string): Pick<BatchVector, 'rejected' | 'events' | 'isSingleEvent'> {
  const batch = readBatch(body)
  if (!batch.ok) return { rejected: batch.code }
  const events = batch.items.map(({ raw, badNumbers }, index): EventVector => {
    const read = normalise(raw, { receivedAt: RECEIVED_AT, eventId: () => `made-${index}` })
    if (badNumbers.length > 0)
      return badNumbers.map(({ pointer }) => [pointer, 'NUMBER_UNREPRESENTABLE'])
    return read.ok ? read.json : read.errors.map(({ pointer, code }) => [pointer, code])
  })
  return batch.isSingleEvent ? { isSingleEvent: true, events } : { events }
}

function expectedOf({ rejected, events, isSingleEvent }: BatchVector) {
  if (rejected) return { rejected }
  return isSingleEvent ? { isSingleEvent, events } : { events }
}

function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
