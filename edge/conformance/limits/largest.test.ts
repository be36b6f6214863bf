import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { BODY_BYTES_MAX } from '../../../core/gateway/read-body.ts'
import { describeEdges } from '../../testing/edge-harness.ts'

const MiB = LIMITS.bodyBytesMax
const long = 'k'.repeat(500_000)
const numbers = Array.from({ length: 40 }, () => '1e999').join(',')
const keys = Array.from({ length: 900 }, (_, i) => `"${'x'.repeat(900)}${i}":"\\u0000"`).join(',')
const old = '"timestamp":"2001-01-01T00:00:00Z"'
const track = (properties: string) =>
  `{"batch":[{"type":"track","event":"a","userId":"u","properties":{${properties}}}]}`

/** Bodies that grow most in a record, because it contains the original. */
const bodies: [string, string, string | Buffer][] = [
  ['invalid UTF-8', '/v1/batch', Buffer.alloc(MiB, 0xff)],
  ['control characters', '/v1/batch', '\0'.repeat(MiB)],
  ['quotes', '/v1/batch', '"'.repeat(MiB)],
  ['control characters between others', '/v1/batch', '\u0001\u0002€'.repeat(MiB / 5)],
  ['many errors with long pointers', '/v1/batch', track(keys)],
  ['numbers below a long key', '/v1/batch', track(`"${long}":[${numbers}]`)],
  ['an old event with many lines', '/v1/events', `{"event":"a",${old}${'\n'.repeat(MiB - 60)}}`],
  [
    'a full batch of old events',
    '/v1/events',
    `[${Array.from({ length: 1_000 }, (_, i) => `{"event":"a","event_id":"${i}",${old}${'\n'.repeat(950)}}`)}]`,
  ],
]

describeEdges('bodies of maximum size', (harness) => {
  it.each(bodies)(
    'of %s become records and requests that the gateway accepts',
    async (_, path, body) => {
      const { records: allRecords } = harness.gateway
      const before = allRecords.length
      const { status } = await harness.send(harness.newKey(), { path, body })
      expect([200, 202]).toContain(status)
      const records = allRecords.slice(before)
      expect(records.length).toBeGreaterThan(0)
      for (const { key = '', value } of records)
        expect(Buffer.byteLength(key) + Buffer.byteLength(value)).toBeLessThan(
          LIMITS.recordBytesMax,
        )
      expect(Buffer.byteLength(JSON.stringify(records))).toBeLessThan(BODY_BYTES_MAX)
      // A dead letter contains the original, in either encoding.
      for (const { value } of records) {
        const { original, base64 } = JSON.parse(value)
        const bytes = Buffer.from(original, base64 ? 'base64' : 'utf8')
        expect(bytes.length).toBeGreaterThan(20)
        expect(Buffer.from(body).includes(bytes)).toBe(true)
      }
    },
  )
})
