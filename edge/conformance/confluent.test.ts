import { describe, expect, it } from 'vitest'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { recordKey } from '../../contract/log/topics.ts'
import { type ConfluentStub, type Dialect, startConfluentStub } from '../testing/confluent-stub.ts'
import { describeEdges, type EdgeHarness, proxySettings } from '../testing/edge-harness.ts'
import { REMOTE_RUNTIMES, startEdge } from '../testing/runtimes.ts'
import { startStubGateway } from '../testing/stub-gateway.ts'

const events = [
  { event: 'a', event_id: 'one', user_id: 'ädä', text: 'ü€😀\u0001"\\', number: 1000.5 },
  { event: 'b', event_id: 'two', user_id: 'bob' },
  { event: 'c', event_id: 'three', user_id: 'ädä' },
  ...Array.from({ length: 30 }, (_, i) => ({
    event: 'd',
    event_id: `d${i}`,
    user_id: `user ${i}`,
  })),
]

function describeProxy(
  dialect: Dialect,
  define: (harness: EdgeHarness, proxy: () => ConfluentStub) => void,
) {
  let proxy: ConfluentStub
  describeEdges(
    `the edge over the ${dialect} proxy`,
    (harness) => define(harness, () => proxy),
    async () => {
      proxy = await startConfluentStub(dialect)
      const gateway = await startStubGateway()
      return {
        gateway: {
          ...gateway,
          close: async () => void (await Promise.all([gateway.close(), proxy.close()])),
        },
        settings: proxySettings(proxy),
      }
    },
    REMOTE_RUNTIMES,
  )
}

for (const dialect of ['confluent', 'redpanda'] as const)
  describeProxy(dialect, (harness, proxy) => {
    it('stores each event at the partition and offset of the response, on the partition that the gateway would choose', async () => {
      const { record, key } = harness.gateway.addKey()
      const response = await harness.post(key, events)
      expect(response.status).toBe(202)
      expect(proxy().records).toHaveLength(events.length)
      for (const [i, { partition, offset, event_id }] of response.json.events.entries()) {
        const actor = events[i]?.user_id as string
        const found = proxy().records.find(
          (stored) => stored.partition === partition && stored.offset === offset,
        )
        const recordKeyText = recordKey(record.tenant, { event_id, actor })
        expect(String(found?.key)).toBe(recordKeyText)
        expect(partition).toBe(partitionFor(Buffer.from(recordKeyText), 6))
        const value = JSON.parse(String(found?.value))
        expect(value.event).toMatchObject({ event_id: events[i]?.event_id, actor })
        // The proxy stores the bytes that the edge wrote.
        expect(JSON.stringify(value)).toBe(String(found?.value))
      }
      expect(JSON.parse(String(proxy().records[0]?.value)).event.properties).toEqual({
        text: 'ü€😀\u0001"\\',
        number: 1000.5,
      })
    })

    it('accepts a single event and an NDJSON stream', async () => {
      const key = harness.newKey()
      const single = await harness.post(key, { event: 'alone', event_id: 'alone' })
      expect([single.status, single.json.offset ?? single.json.events[0].offset]).toEqual([
        202,
        expect.any(Number),
      ])
      const lines = events.map((event) => JSON.stringify(event)).join('\n')
      const stream = await harness.send(key, {
        headers: { 'content-type': 'application/x-ndjson' },
        body: lines,
      })
      expect([stream.status, stream.json.accepted]).toEqual([202, events.length])
    })

    it.each([
      ['a retryable error is retried once', 2, 2, 202],
      ['a retryable error of the newer API is retried once', 50003, 2, 202],
      ['a permanent error is not retried', 1, 1, 503],
      ['a permanent error of the newer API is not retried', 50002, 1, 503],
    ])('treats one failed record as a failure of all: %s', async (_, code, tries, status) => {
      const key = harness.newKey()
      await harness.post(key, { event: 'warm' })
      const requestsBefore = proxy().requestCount
      proxy().faults.push({ code })
      const response = await harness.post(key, events)
      expect([response.status, proxy().requestCount - requestsBefore]).toEqual([status, tries])
      if (status === 503) expect(response.json.code).toBe('LOG_UNAVAILABLE')
    })
  })

describe('the edge rejects contradicting settings', () => {
  it.each<[string, Record<string, string>]>([
    ['SLUICE_KAFKA_REST_DIALECT is upstash or confluent', { SLUICE_KAFKA_REST_DIALECT: 'kafka' }],
    ['SLUICE_KAFKA_REST_URL is not set', { SLUICE_KAFKA_REST_DIALECT: 'confluent' }],
    [
      'SLUICE_KAFKA_REST_PASSWORD is not set',
      {
        SLUICE_KAFKA_REST_DIALECT: 'confluent',
        SLUICE_KAFKA_REST_URL: 'http://127.0.0.1:1',
        SLUICE_KAFKA_REST_USERNAME: 'x',
      },
    ],
    ['SLUICE_KAFKA_REST_USERNAME is not set', { SLUICE_KAFKA_REST_URL: 'http://127.0.0.1:1' }],
  ])('%s', async (message, settings) => {
    const gateway = await startStubGateway()
    try {
      await expect(startEdge('node', gateway, settings)).rejects.toThrow(message)
    } finally {
      await gateway.close()
    }
  })
})
