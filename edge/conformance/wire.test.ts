import { expect, it } from 'vitest'
import { describeEdges } from '../testing/edge-harness.ts'
import { REMOTE_RUNTIMES } from '../testing/runtimes.ts'
import { openSocket } from '../testing/socket.ts'
import { WIRE, type WireCase } from './wire.ts'

const RESPONSE_MS_MAX = 4_000

describeEdges('the edge', (harness) => {
  it.each(WIRE)('handles $title', async ({ bytes, expects: hears, halfCloses: leaves }) => {
    const before = harness.gateway.records.length
    // The collector has the Node edge's server.
    const server = harness.runtime === 'collector' ? 'node' : harness.runtime
    const expected = typeof hears === 'string' ? hears : hears[REMOTE_RUNTIMES.indexOf(server)]
    const connection = await openSocket(harness.edge.port)
    connection.write(bytes(harness.newKey()))
    if (leaves) connection.halfClose()
    else await expect.poll(() => outcomeOf(connection.received()), POLL).toBe(expected)
    // The server sends everything else before it closes.
    connection.halfClose()
    await closed(connection.closed)
    expect(outcomeOf(connection.received())).toBe(expected)
    const accepted = expected?.match(/\b202\b/g)?.length ?? 0
    expect(harness.gateway.records.length - before).toBe(accepted)
  })

  it('has logged no unexpected error and still accepts events', async () => {
    expect(harness.edge.log()).not.toContain('unexpected error')
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  })
})

it('the wire table has more than 80 cases with distinct titles', () => {
  expect(new Set(WIRE.map(({ title }: WireCase) => title)).size).toBe(WIRE.length)
  expect(WIRE.length).toBeGreaterThan(80)
})

const POLL = { timeout: RESPONSE_MS_MAX, interval: 5 }

async function closed(connection: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the connection stayed open')), RESPONSE_MS_MAX)
  })
  await Promise.race([connection, late]).finally(() => clearTimeout(timer))
}

/** `202 400 INVALID_JSON`: the statuses in order, each with its code where it has one. */
function outcomeOf(text: string): string {
  const matches = text.matchAll(/HTTP\/1\.[01] (\d{3})|"code":"([A-Z_0-9]+)"/g)
  return [...matches].map(([, status, code]) => status ?? code).join(' ')
}
