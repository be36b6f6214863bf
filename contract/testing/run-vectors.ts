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

/** A vector that this runtime gave something else for. */
export interface VectorFailure {
  says: string
  expected: string
  found: string
}

/** Runs every golden vector in whatever runtime this is. @returns what went wrong; empty is good */
export async function runVectors(): Promise<VectorFailure[]> {
  const failures: VectorFailure[] = []
  function expectSame(says: string, found: unknown, expected: unknown) {
    const a = JSON.stringify(found) ?? 'undefined'
    const b = JSON.stringify(expected) ?? 'undefined'
    if (a !== b) failures.push({ says, expected: cut(b), found: cut(a) })
  }

  for (const vector of BATCHES) expectSame(vector.says, readAll(vector.body), expectedOf(vector))
  for (const [written, spelt] of TIMES) {
    const read = readTime(written)
    expectSame(`time ${String(written)}`, read.ok ? read.time : null, spelt)
  }
  for (const { key, crc, sha256 } of KEYS) {
    expectSame(`key ${key}`, looksLikeApiKey(key), true)
    expectSame(`CRC-32 of ${key}`, crc32(key.slice(0, -6)), crc)
    expectSame(`SHA-256 of ${key}`, await sha256Hex(key), sha256)
  }
  for (const text of NOT_KEYS) expectSame(`no key: ${text}`, looksLikeApiKey(text), false)
  expectSame('a fresh key has its form', looksLikeApiKey(mintApiKey('pub')), true)
  for (const [tenant, key, index, id] of DERIVED_IDS)
    expectSame(`id of ${tenant} ${key} ${index}`, await derivedEventId(tenant, key, index), id)
  for (const [text, is] of UUIDS) expectSame(`UUID ${text}`, isUuid(text), is)
  // The example of RFC 9562, A.6: 017F22E2-79B0-7… is 2022-02-22T19:22:22Z.
  expectSame('UUIDv7', uuidV7(1645557742000).slice(0, 15), '017f22e2-79b0-7')

  const { stamp, eventJson, plain, historical } = ENCODED
  expectSame('a record', recordEncoder(stamp).event(eventJson), plain)
  const old = recordEncoder({ ...stamp, historical: true })
  expectSame('historical', old.event(eventJson), historical)
  for (const [value, becomes] of RECORDS) {
    const decoded = decodeRecord(value)
    expectSame(`record ${cut(value)}`, decoded.ok ? 'event' : decoded.reason, becomes)
  }
  return failures
}

/** What the edge does with a body, as far as it depends on nothing but the body. */
function readAll(body: string): Pick<BatchVector, 'refused' | 'events' | 'single'> {
  const batch = readBatch(body)
  if (!batch.ok) return { refused: batch.code }
  const events = batch.items.map(({ raw, badNumbers }, index): EventVector => {
    const read = normalise(raw, { receivedAt: RECEIVED_AT, eventId: () => `made-${index}` })
    if (badNumbers.length > 0)
      return badNumbers.map(({ pointer }) => [pointer, 'NUMBER_UNREPRESENTABLE'])
    return read.ok ? read.json : read.errors.map(({ pointer, code }) => [pointer, code])
  })
  return batch.isSingleEvent ? { single: true, events } : { events }
}

function expectedOf({ refused, events, single }: BatchVector) {
  if (refused) return { refused }
  return single ? { single, events } : { events }
}

function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}
