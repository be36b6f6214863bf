import { describe, expect, it } from 'vitest'
import { idempotencyHash } from '../../contract/event/idempotency-hash.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import type { EdgeDeps } from '../app.ts'
import { createMemoryEdge, KEY, RECORD } from '../testing/memory-edge.ts'

/** What of a request gets into the log, by an edge in memory whose clock stands at 1970-01-01T00:16:40Z. */
async function recordsOf(
  path: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  changed: Partial<EdgeDeps> = {},
) {
  const records: ProduceRecord[] = []
  const edge = createMemoryEdge({
    async publish(all) {
      records.push(...all)
      return all.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
    ...changed,
  })
  const request = { method: 'POST', headers: { 'x-api-key': KEY, ...headers }, body }
  const response = await edge.request(path, request)
  expect([200, 202]).toContain(response.status)
  return records.map(({ topic, key, value }) => ({
    topic,
    ...JSON.parse(value as string),
    logKey: key,
  }))
}
const batch = (...events: object[]) => JSON.stringify({ batch: events })

describe('the record of an event', () => {
  it('has the key that its format gives it, else one by its actor or its id, and names who sent what to which edge', async () => {
    const records = await recordsOf(
      '/v1/events',
      '[{"event":"a","actor":"u"},{"event":"b","event_id":"e1"}]',
      { 'user-agent': `ab\u007f${'c'.repeat(300)}` },
    )
    expect(records.map(({ logKey }) => logKey)).toEqual(['acme:u', 'acme:e1'])
    expect(records[0]).toMatchObject({
      ...{ topic: 'events.raw', v: 1, tenant: 'acme', key: 'k1', edge: 'here' },
      ...{ route: 'events', received_at: '1970-01-01T00:16:40.000Z', event: { name: 'a' } },
    })
    // Only what can be printed, and no more than a label holds.
    expect(records[0].client).toBe(`ab${'c'.repeat(LIMITS.labelCharsMax - 2)}`)
    for (const member of ['trust', 'historical', 'original', 'time', 'refused'])
      expect(records[0]).not.toHaveProperty(member)
    const cloudEvent = {
      ...{ specversion: '1.0', id: '1', source: '/s', type: 'a', partitionkey: 'p' },
    }
    const [own] = await recordsOf('/v1/events', JSON.stringify(cloudEvent), {
      'content-type': 'application/cloudevents+json',
    })
    expect(own.logKey).toBe('acme:p')
    expect((await recordsOf('/v1/events', '{"event":"a"}'))[0]).not.toHaveProperty('client')
  })

  it('shows that a public key sent it, and that it is a historical import where the key may send one', async () => {
    const findKey = async () => ({ ...RECORD, kind: 'pub' as const, may_import_history: false })
    const [open] = await recordsOf('/v1/events', '{"event":"a"}', {}, { findKey })
    expect([open.trust, open.historical]).toEqual(['public', undefined])
    const [old] = await recordsOf('/v1/events?historical=true', '{"event":"a"}')
    expect([old.trust, old.historical]).toEqual([undefined, true])
    // A library that asks for it in its envelope drops on a 4xx: without the right it is an event as any other.
    const migration = JSON.stringify({
      historical_migration: true,
      batch: [{ event: 'a', distinct_id: 'u' }],
    })
    const noRight = async () => ({ ...RECORD, may_import_history: false })
    const [asked] = await recordsOf('/batch/', migration)
    const [refused] = await recordsOf('/batch/', migration, {}, { findKey: noRight })
    expect([asked.historical, refused.historical]).toEqual([true, undefined])
  })

  it.each([
    // Exactly as old, and as far ahead, as an event may be.
    [-RECORD.event_age_max_s, false],
    [-RECORD.event_age_max_s - 0.001, true],
    [LIMITS.futureSecondsMax, false],
    [LIMITS.futureSecondsMax + 0.001, true],
  ])(
    'holds the original of one of %d s only where the worker will need it',
    async (age, needed) => {
      const sent = JSON.stringify({
        event: 'a',
        occurred_at: new Date(1_000_000 + age * 1_000).toISOString(),
        properties: { key: KEY },
      })
      const [record] = await recordsOf('/v1/events', sent)
      // Without the key: it is stored.
      expect(record.original).toBe(needed ? sent.replace(KEY, 'slc_sec_0000...') : undefined)
    },
  )

  it('shows that a time was computed, also where it is old', async () => {
    const records = await recordsOf(
      '/batch',
      batch(
        { event: 'a', distinct_id: 'u' },
        { event: 'b', distinct_id: 'u', offset: 5_000 },
        { event: 'c', distinct_id: 'u', offset: 5_000_000 },
      ),
    )
    expect(records.map(({ time, original }) => [time, original !== undefined])).toEqual([
      [undefined, false],
      ['computed', false],
      ['computed', true],
    ])
  })
})

describe('the record of an event that is refused, of a client that drops on 4xx,', () => {
  it('comes after those of the others, under the key of its request, with all its errors and what was sent', async () => {
    const records = await recordsOf(
      '/batch',
      `{"batch":[{"event":"","properties":{"a":1e400,"key":"${KEY}"}},{"event":"b","distinct_id":"u"},{"event":""}]}`,
    )
    expect(records.map(({ logKey, request_id }) => logKey === `acme:${request_id}`)).toEqual([
      ...[false, true, true],
    ])
    const [, first, second] = records
    expect(
      first.refused.map(({ code, pointer }: Record<string, string>) => [code, pointer]),
    ).toEqual([
      ['NUMBER_UNREPRESENTABLE', '/properties/a'],
      ['NAME_INVALID', '/event'],
    ])
    expect(Object.keys(first.refused[0]).sort()).toEqual(['code', 'detail', 'pointer'])
    expect(first.original).toBe('{"event":"","properties":{"a":1e400,"key":"slc_sec_0000..."}}')
    expect(second.refused).toHaveLength(1)
    expect([first.base64, first.event, second.original]).toEqual([
      undefined,
      undefined,
      '{"event":""}',
    ])
  })

  it('lists at most twenty errors', async () => {
    const numbers = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`n${i}`, 0]))
    const sent = batch({ event: 'a', properties: numbers }).replaceAll(':0', ':1e400')
    const [record] = await recordsOf('/batch', sent)
    expect(record.refused).toHaveLength(20)
  })

  it('holds a body that is not JSON as it was sent, and one that is not UTF-8 in base64', async () => {
    const [text] = await recordsOf('/batch', `not JSON, ${KEY}`)
    expect([text.refused[0].code, text.original, text.base64]).toEqual([
      ...['INVALID_JSON', 'not JSON, slc_sec_0000...', undefined],
    ])
    const [bytes] = await recordsOf('/batch', new Uint8Array([123, 255, 254]))
    expect([bytes.refused[0].code, bytes.original, bytes.base64]).toEqual([
      ...['INVALID_UTF8', btoa('{\xff\xfe'), true],
    ])
    expect(bytes.refused[0].pointer).toBe('')
    // A key is no less a secret in base64.
    const secret = new TextEncoder().encode(`${KEY} \u00ff`)
    secret[secret.length - 1] = 255
    const [hidden] = await recordsOf('/batch', secret)
    expect(atob(hidden.original)).toContain('slc_sec_0000...')
    expect(atob(hidden.original)).not.toContain(KEY)
  })

  it('holds a large body in base64 only where JSON would more than double it', async () => {
    const large = LIMITS.eventBytesMax
    const stored = async (body: string) => {
      const [{ original, base64 }] = await recordsOf('/batch', body)
      return base64 ? ['base64', atob(original) === body] : ['text', original === body]
    }
    expect(await stored('x'.repeat(large + 1))).toEqual(['text', true])
    expect(await stored('\u0001'.repeat(large))).toEqual(['text', true])
    expect(await stored('\u0001'.repeat(large + 1))).toEqual(['base64', true])
    // Two quotes around it are two characters more than double.
    expect(await stored('"'.repeat(large + 1))).toEqual(['base64', true])
    expect(await stored(`xx${'"'.repeat(large)}`)).toEqual(['text', true])
  })
})

describe('with an Idempotency-Key', () => {
  it('each record, of a stream too, has its hash in the trust class of the API key, and without one it has none', async () => {
    const hashes = async (headers: Record<string, string>, changed: Partial<EdgeDeps> = {}) =>
      (await recordsOf('/v1/events', '[{"event":"a"},{"event":"b"}]', headers, changed)).map(
        ({ idempotency }) => idempotency,
      )
    const expected = await idempotencyHash('acme', 'server', 'k-1')
    expect(await hashes({ 'idempotency-key': '"k-1"' })).toEqual([expected, expected])
    const findKey = async () => ({ ...RECORD, kind: 'pub' as const })
    const ofPage = await idempotencyHash('acme', 'public', 'k-1')
    expect(await hashes({ 'idempotency-key': 'k-1' }, { findKey })).toEqual([ofPage, ofPage])
    expect(await hashes({})).toEqual([undefined, undefined])
    expect((await recordsOf('/v1/events', '{"event":"a"}'))[0]).not.toHaveProperty('idempotency')
    const stream = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'k-1' }
    const [line] = await recordsOf('/v1/events', '{"event":"a"}\n', stream)
    expect(line.idempotency).toBe(expected)
  })

  const headers = { 'idempotency-key': 'k-1' }
  const idsOf = async (body: string, more = {}) =>
    (await recordsOf('/v1/events', body, { ...headers, ...more })).map(
      ({ event }) => event.event_id,
    )

  it('an event without an id gets the same one again, and one of its own by its place and its content', async () => {
    const sent =
      '[{"event":"a"},{"event":"a"},{"event":"b","event_id":null},{"event":"c","event_id":"own"}]'
    const ids = await idsOf(sent)
    expect(new Set(ids).size).toBe(4)
    expect(ids[3]).toBe('own')
    expect(await idsOf(sent)).toEqual(ids)
    expect((await idsOf(sent.replace('"b"', '"d"'))).slice(0, 3)).not.toEqual(ids.slice(0, 3))
    expect((await idsOf(sent, { 'idempotency-key': 'k-2' })).slice(0, 3)).not.toEqual(
      ids.slice(0, 3),
    )
  })
})
