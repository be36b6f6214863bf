import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { expectDocumented } from '../../testing/fuzz.ts'

/** Several times the slowest case on two busy cores; a quadratic algorithm would take a hundred times as long. */
const RESPONSE_MS_MAX = 12_000
const MAX = LIMITS.bodyBytesMax
/** Repeats a piece as often as it fits into a body of maximum size. */
const filled = (before: string, piece: string, after: string, between = ',') => {
  const bytes = MAX - before.length - after.length
  const count = Math.floor((bytes + between.length) / (piece.length + between.length))
  return before + Array(count).fill(piece).join(between) + after
}
const events = (event: string) =>
  Array(Math.min(1_000, Math.floor((MAX - 20) / (event.length + 1))))
    .fill(event)
    .join()
const long = (piece: string, size: number) => piece.repeat(Math.ceil(size / piece.length))

/** Bodies that are expensive to parse, walk, compare or report errors for. */
const BODIES: readonly (readonly [string, string])[] = [
  ['brackets', '['.repeat(MAX)],
  ['nested lists', `${'['.repeat(MAX / 2)}${']'.repeat(MAX / 2)}`],
  ['nested objects', filled('', '{"a":', `1${'}'.repeat(MAX / 6)}`, '').slice(0, MAX)],
  ['empty lists', filled('{"name":"a","p":[', '[]', ']}')],
  ['one long string', `{"name":"a","p":"${'x'.repeat(MAX - 20)}"}`],
  ['escapes', filled('{"name":"a","p":"', '\\u00e4', '"}', '')],
  ['backslashes', filled('{"name":"a","p":"', '\\\\', '"}', '')],
  ['quotes that never close', '"'.repeat(MAX - 1)],
  ['the same key', filled('{"name":"a",', '"k":1', '}')],
  ['many keys', `{"name":"a",${Array.from({ length: 80_000 }, (_, i) => `"k${i}":1`).join()}}`],
  ['one long key', `{"name":"a","${'k'.repeat(MAX - 30)}":1}`],
  ['one long digit row', `{"name":"a","p":${'9'.repeat(MAX - 30)}}`],
  ['a long fraction', `{"name":"a","p":0.${'0'.repeat(MAX - 40)}1}`],
  ['bad numbers', filled('{"name":"a","p":[', '1e400', ']}')],
  ['large numbers', filled('{"name":"a","p":[', '9007199254740993', ']}')],
  [
    'bad numbers deep down',
    `{"name":"a","p":${'[{"a":'.repeat(15)}[${long('1e400,', 500_000)}0]${'}]'.repeat(15)}}`,
  ],
  ['bad numbers in a thousand events', `[${events(`{"name":"a","p":[${long('1e400,', 900)}0]}`)}]`],
  [
    'a thousand events with twenty errors each',
    `[${events('{"event":"","event_id":"","timestamp":"x","value":"","user_id":{},"session":{},"source":{},"properties":1,"context":1,"schema_version":{},"__proto__":1}')}]`,
  ],
  ['a thousand numbers instead of events', `[${events('1')}]`],
  ['spaces', `${' '.repeat(MAX - 12)}{"name":"a"}`],
  ['a name of marks', `{"name":"${'\u0301'.repeat(MAX / 2 - 10)}"}`],
  ['a name of spaces', `{"name":"${' '.repeat(MAX - 20)}a"}`],
  ['a long time', `{"name":"a","timestamp":"${'2'.repeat(MAX - 40)}"}`],
  ['a long id', `{"name":"a","event_id":"${'i'.repeat(MAX - 40)}"}`],
  [
    'the same property twice, and long',
    `{"name":"a","p":"${'x'.repeat(MAX / 2 - 50)}","properties":{"p":"${'x'.repeat(MAX / 2 - 50)}"}}`,
  ],
]
/** In SDK formats each of these events becomes a dead letter with its original. */
const BATCHES: readonly (readonly [string, string])[] = [
  [
    'a batch of invalid events',
    `{"batch":[${events('{"type":"track","properties":{"p":1e400}}')}]}`,
  ],
  ['a batch of numbers', `{"batch":[${events('0')}]}`],
  [
    'a batch of long events',
    `{"batch":[${events(`{"type":"track","event":"","x":"${'y'.repeat(900)}"}`)}]}`,
  ],
  [
    'a batch of the same names',
    `{"batch":[${events(`{"type":"page","name":"a","properties":{"name":"b",${Array.from({ length: 90 }, (_, i) => `"${'_'.repeat(i)}name":1`).join()}}}`)}]}`,
  ],
]

/** What would be copied into every event, decoded for every scope, or decoded from text. */
const attributes = (count: number) =>
  Array.from({ length: count }, (_, i) => `{"key":"k${i}","value":{"intValue":"1"}}`).join()
const fill = (count: number, piece: string) => Array(count).fill(piece).join()
const VENDORS: readonly (readonly [string, string, string])[] = [
  [
    'a large resource with thousands of scopes',
    '/v1/logs',
    `{"resourceLogs":[{"resource":{"attributes":[${attributes(12_000)}]},"scopeLogs":[${fill(4_900, '{"logRecords":[{"eventName":"a"}]}')}]}]}`,
  ],
  [
    'thousands of log records with bad numbers',
    '/v1/logs',
    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${fill(4_900, `{"eventName":"a","attributes":[${fill(2, '{"key":"a","value":{"intValue":1e400}}')}]}`)}]}]}]}`,
  ],
  [
    'what surrounds the events of a visit',
    '/mp/collect',
    `{"user_properties":{${Array.from({ length: 30_000 }, (_, i) => `"k${i}":1`).join()}},"events":[${fill(4_900, '{"name":"a"}')}]}`,
  ],
  [
    'thousands of texts with JSON',
    '/com.snowplowanalytics.snowplow/tp2',
    `{"data":[${fill(4_900, `{"e":"ue","ue_px":"${btoa('{"data":'.repeat(12))}","cx":"${'e'.repeat(20)}"}`)}]}`,
  ],
  ['a text of base64', '/track', `data=${'W1tb'.repeat(MAX / 4 - 2)}`],
  ['JSON in a text', '/api/event', `{"n":"a","p":"${'['.repeat(MAX - 40)}"}`],
  [
    'many names',
    '/2/httpapi',
    `{"events":[{${Array.from({ length: 80_000 }, (_, i) => `"${i}":1`).join()}}]}`,
  ],
]

describeEdges('the edge', (harness) => {
  const expectQuickResponse = async (path: string, body: string, type: string) => {
    const key = harness.newKey()
    await harness.post(key, { event: 'warm' })
    const begun = performance.now()
    const response = await harness.send(key, { path, body, headers: { 'content-type': type } })
    const ms = performance.now() - begun
    expectDocumented(response, [200, 202, 204])
    expect(ms).toBeLessThan(RESPONSE_MS_MAX)
  }
  const FORMATS = [
    ['/v1/events', 'application/json'],
    ['/v1/events', 'application/x-ndjson'],
    ['/v1/events', 'application/cloudevents-batch+json'],
    ['/v1/batch', 'application/json'],
    ['/batch/', 'application/json'],
  ] as const

  it.each(BODIES)('handles a body of maximum size quickly: %s', async (_, body) => {
    expect(body.length).toBeLessThanOrEqual(MAX)
    for (const [path, type] of FORMATS) await expectQuickResponse(path, body, type)
  })

  it.each(BATCHES)('handles an SDK batch of maximum size quickly: %s', async (_, body) => {
    for (const path of ['/v1/batch', '/batch/'])
      await expectQuickResponse(path, body, 'application/json')
  })

  it.each(VENDORS)('handles a large body of a vendor quickly: %s', async (_, path, body) => {
    expect(body.length).toBeLessThanOrEqual(MAX)
    await expectQuickResponse(path, body, 'application/json')
  })

  it('handles half a million NDJSON lines without events quickly', async () => {
    await expectQuickResponse('/v1/events', '1\n'.repeat(MAX / 2), 'application/x-ndjson')
  })

  it('has logged no unexpected error and still accepts events', async () => {
    expect(harness.edge.log()).not.toMatch(/unexpected error|Uncaught/)
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  })
})
