import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import type { Fault, IncomingBatch } from '../ingest-format.ts'
import { otlp } from './format.ts'

async function read(resourceLogs: unknown): Promise<IncomingBatch> {
  const text = JSON.stringify({ resourceLogs })
  const bytes = new TextEncoder().encode(text)
  return otlp.read({ bytes, request: new Request('http://edge/'), receivedMs: 0, text: () => text })
}

const faultsOf = ({ items }: IncomingBatch) =>
  items.map(({ faults }) => (faults ?? []) as readonly Fault[])
const records = (count: number, record: object = { eventName: 'a' }) =>
  Array.from({ length: count }, () => record)

it('the faults of a resource and a scope are one list for all of their log records', async () => {
  const bad = { attributes: Array(200).fill({}) }
  const batch = await read([
    { resource: bad, scopeLogs: [{ scope: bad, logRecords: records(300) }] },
    { resource: { attributes: [{}] }, scopeLogs: [{ scope: bad, logRecords: records(300) }] },
  ])
  const faults = faultsOf(batch)
  expect(faults.map(({ length }) => length)).toEqual(Array(600).fill(5))
  expect(new Set(faults).size).toBe(2)
  expect(faults[599]?.map(({ pointer }) => pointer)).toEqual([
    '/resource/attributes/0/key',
    ...[0, 1, 2, 3].map((index) => `/scope/attributes/${index}/key`),
  ])
})

it('a log record reports five of its own faults, those of its resource first', async () => {
  const attributes = Array(200).fill({})
  const [own] = faultsOf(await read([{ scopeLogs: [{ logRecords: records(1, { attributes }) }] }]))
  expect(own).toHaveLength(5)
  const resource = { attributes: [{}] }
  const [both, shared] = faultsOf(
    await read([{ resource, scopeLogs: [{ logRecords: [{ attributes }, {}] }] }]),
  )
  expect(both).toHaveLength(5)
  expect(both?.[0]).toEqual(shared?.[0])
  expect(shared).toHaveLength(1)
})

it('all copies of all resources and scopes of a request are no larger than a body', async () => {
  const large = { attributes: [{ key: 'k', value: { stringValue: 'x'.repeat(2_000) } }] }
  const batch = await read(
    Array.from({ length: 20 }, () => ({
      resource: large,
      scopeLogs: [{ scope: large, logRecords: records(50) }],
    })),
  )
  const copied = batch.items.filter(({ faults }) => !faults)
  const bytes = copied.reduce((sum, { raw }) => sum + JSON.stringify(raw).length, 0)
  expect(bytes).toBeGreaterThan(LIMITS.bodyBytesMax / 2)
  expect(bytes).toBeLessThan(LIMITS.bodyBytesMax * 1.1)
  expect(faultsOf(batch).at(-1)).toEqual([expect.objectContaining({ code: 'EVENT_TOO_LARGE' })])
})
