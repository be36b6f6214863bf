import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { encodeEnrichment } from '../../metrics/enrichment.ts'
import type { EventRow } from '../decode/decoded.ts'
import { eventRow } from '../testing/event-rows.ts'
import { COPY_COLUMNS, createRowEncoder } from './row-encoder.ts'

/** Reads Postgres' binary COPY format, as its manual describes it. @returns the fields of each row as bytes */
function readCopy(bytes: Buffer): (Buffer | null)[][] {
  expect(bytes.subarray(0, 11).toString('latin1')).toBe('PGCOPY\n\xff\r\n\0')
  expect(bytes.readInt32BE(11)).toBe(0)
  expect(bytes.readInt32BE(15)).toBe(0)
  const rows: (Buffer | null)[][] = []
  let at = 19
  for (;;) {
    const count = bytes.readInt16BE(at)
    at += 2
    if (count === -1) break
    const fields: (Buffer | null)[] = []
    for (let i = 0; i < count; i++) {
      const length = bytes.readInt32BE(at)
      at += 4
      fields.push(length === -1 ? null : bytes.subarray(at, at + length))
      at += Math.max(0, length)
    }
    rows.push(fields)
  }
  expect(at).toBe(bytes.length)
  return rows
}

const NAMES = COPY_COLUMNS.split(', ')
const EPOCH_MS = Date.UTC(2000, 0, 1)

/** A row's fields by column, read as Postgres' types. */
function fieldsOf(fields: (Buffer | null)[]) {
  expect(fields).toHaveLength(NAMES.length)
  const bytes = (name: string) => fields[NAMES.indexOf(name)] as Buffer | null
  const read = <T>(name: string, size: number, parse: (bytes: Buffer) => T) => {
    const found = bytes(name)
    if (found !== null) expect(found).toHaveLength(size)
    return found && parse(found)
  }
  const text = (name: string) => bytes(name)?.toString() ?? null
  const json = (name: string) => {
    const found = bytes(name)
    if (found !== null) expect(found[0]).toBe(1)
    return found && JSON.parse(found.subarray(1).toString())
  }
  const uuid = (name: string) =>
    read(name, 16, (b) => b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'))
  const int64 = (name: string) => read(name, 8, (b) => b.readBigInt64BE())
  const micros = (name: string) => {
    const found = int64(name)
    return found && found + BigInt(EPOCH_MS) * 1000n
  }
  return {
    tenantId: read('tenant_id', 4, (b) => b.readInt32BE()),
    eventId: uuid('event_id'),
    day: (read('received_on', 4, (b) => b.readInt32BE()) ?? 0) + EPOCH_MS / 86_400_000,
    received: micros('received_at'),
    occurred: micros('occurred_at'),
    clientOccurred: micros('client_occurred_at'),
    texts: ['name', 'client_event_id', 'actor', 'session', 'source', 'schema_version'].map(text),
    requestId: uuid('request_uuid') ?? text('request_id'),
    trust: text('trust_class'),
    enrichment: text('enrichment'),
    value: read('value', 8, (b) => b.readDoubleBE()),
    properties: json('properties'),
    context: json('context'),
    keyId: uuid('key_id'),
    partition: read('log_partition', 2, (b) => b.readInt16BE()),
    offset: int64('log_offset'),
  }
}

function wanted(row: EventRow): ReturnType<typeof fieldsOf> {
  const us = ({ ms, us }: { ms: number; us: number }) => BigInt(ms) * 1000n + BigInt(us)
  const { event } = row
  return {
    tenantId: row.tenantId,
    eventId: row.eventId.toLowerCase(),
    day: row.receivedDay,
    received: us(row.received),
    occurred: us(row.occurred),
    clientOccurred: row.clientOccurred ? us(row.clientOccurred) : null,
    texts: [
      ...[event.name, row.clientEventId, event.actor, event.session, event.source],
      event.schema_version,
    ].map((text) => text ?? null),
    requestId: row.requestId,
    trust: row.trust === 'public' ? 'public' : null,
    enrichment: encodeEnrichment(row.enrichment),
    value: event.value ?? null,
    properties: event.properties,
    context: event.context ?? null,
    keyId: row.keyId,
    partition: row.record.partition,
    offset: BigInt(row.record.offset),
  }
}

const instant = fc.record({
  // The years 1 to 9999: the microseconds of the outer ones are no safe integers.
  ms: fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
  us: fc.integer({ min: 0, max: 999 }),
})
const text = fc.string({ unit: 'grapheme', minLength: 1 })
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
const row = fc
  .record({
    tenantId: fc.nat(2 ** 31 - 1),
    trust: fc.constantFrom('server' as const, 'public' as const),
    eventId: fc.uuid(),
    clientEventId: fc.option(text),
    receivedDay: fc.integer({ min: -700_000, max: 2_900_000 }),
    received: instant,
    occurred: instant,
    clientOccurred: maybe(instant),
    keyId: fc.option(fc.uuid()),
    requestId: text,
    enrichment: maybe(fc.record({ os: text, city: text, is_bot: fc.constant('true') })),
    partition: fc.nat(32_767),
    offset: fc.nat(Number.MAX_SAFE_INTEGER),
    name: text,
    actor: maybe(text),
    session: maybe(text),
    source: maybe(text),
    schema_version: maybe(text),
    value: maybe(fc.double({ noNaN: true })),
    properties: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
    context: maybe(fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true })),
  })
  .map(
    ({
      partition,
      offset,
      name,
      actor,
      session,
      source,
      schema_version,
      value,
      properties,
      context,
      ...fields
    }) =>
      eventRow({
        ...fields,
        event: {
          event_id: 'e',
          name,
          occurred_at: '',
          actor,
          session,
          source,
          schema_version,
          value,
          properties,
          context,
        },
        record: { partition, offset, timestamp: 0, key: null, value: Buffer.alloc(0) },
      }),
  )

test('every column of a row arrives in COPY format as it was, whatever it holds', () => {
  const encode = createRowEncoder()
  fc.assert(
    fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
      expect(readCopy(encode(rows)).map(fieldsOf)).toEqual(rows.map(wanted))
    }),
  )
})

test('a UUID with upper-case digits is the same UUID', () => {
  const upper = eventRow({ eventId: '0192ABCD-EF01-7234-8567-89ABCDEF0123' })
  const [fields] = readCopy(createRowEncoder()([upper]))
  expect(fields?.[1]?.toString('hex')).toBe('0192abcdef0172348567' + '89abcdef0123')
})

test('rows larger than the buffer arrive whole, and the next batch starts from the front', () => {
  const encode = createRowEncoder()
  const large = (length: number, char = '€') =>
    eventRow({
      event: { event_id: 'e', name: 'n', occurred_at: '', properties: { x: char.repeat(length) } },
    })
  const rows = [large(300_000), large(200_000, 'a'), large(1_000_000), large(3)]
  expect(readCopy(encode(rows)).map(fieldsOf)).toEqual(rows.map(wanted))
  const next = [eventRow()]
  expect(readCopy(encode(next)).map(fieldsOf)).toEqual(next.map(wanted))
  expect(readCopy(encode([]))).toEqual([])
})

test('many small rows fill the buffer to its last byte without losing one', () => {
  const encode = createRowEncoder()
  // Sizes that differ by one end a row at any distance from the end of the buffer.
  for (let size = 0; size < 260; size += 65) {
    const rows = Array.from({ length: 2_600 }, () =>
      eventRow({
        event: { event_id: 'e', name: 'n'.repeat(100 + size), occurred_at: '', properties: {} },
      }),
    )
    const found = readCopy(encode(rows))
    expect(found).toHaveLength(rows.length)
    expect(found.at(-1)?.[6]).toHaveLength(100 + size)
  }
})

test('the memory of a burst is given back with the next batch', () => {
  const encode = createRowEncoder()
  const burst = eventRow({
    event: {
      event_id: 'e',
      name: 'n',
      occurred_at: '',
      properties: { x: 'a'.repeat(LIMITS.copyBufferBytesKept) },
    },
  })
  expect(encode([burst]).buffer.byteLength).toBeGreaterThan(LIMITS.copyBufferBytesKept)
  expect(encode([eventRow()]).buffer.byteLength).toBeLessThanOrEqual(LIMITS.copyBufferBytesKept)
  // Without a burst it is kept.
  expect(encode([eventRow()]).buffer).toBe(encode([eventRow()]).buffer)
})

test('a text that just does not fit beside the row before it makes the buffer larger', () => {
  // Three bytes a character: around the end of the first MiB, in steps smaller than the reserve of a row.
  for (let length = 349_380; length < 349_560; length += 15) {
    const row = eventRow({
      event: { event_id: 'e', name: 'n', occurred_at: '', properties: { x: '€'.repeat(length) } },
    })
    const [fields] = readCopy(createRowEncoder()([row]))
    expect(fields?.[12]).toHaveLength(1 + 3 * length + '{"x":""}'.length)
  }
})
