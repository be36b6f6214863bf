import { expect, it } from 'vitest'
import { describeEdges } from '../testing/edge-harness.ts'
import { RUNTIMES } from '../testing/runtimes.ts'
import { openSocket } from '../testing/socket.ts'
import { WIRE, type WireCase } from './wire.ts'

const ANSWER_MS_MAX = 4_000

describeEdges('bytes on the wire', (harness) => {
  it.each(WIRE)('$says', async ({ bytes, expects: hears, halfCloses: leaves }) => {
    const before = harness.gateway.records.length
    const expected = typeof hears === 'string' ? hears : hears[RUNTIMES.indexOf(harness.runtime)]
    const connection = await openSocket(harness.edge.port)
    connection.write(bytes(harness.newKey()))
    if (leaves) connection.halfClose()
    else await expect.poll(() => heard(connection.received()), POLL).toBe(expected)
    // Whatever else the server has to say, it says before it closes.
    connection.halfClose()
    await closed(connection.closed)
    expect(heard(connection.received())).toBe(expected)
    const yes = expected?.match(/\b202\b/g)?.length ?? 0
    expect(harness.gateway.records.length - before).toBe(yes)
  })

  it('none of that made it fail', async () => {
    expect(harness.edge.log()).not.toContain('foresaw')
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  })
})

it('there are more than 80 of them, none twice', () => {
  expect(new Set(WIRE.map(({ title }: WireCase) => title)).size).toBe(WIRE.length)
  expect(WIRE.length).toBeGreaterThan(80)
})

const POLL = { timeout: ANSWER_MS_MAX, interval: 5 }

async function closed(connection: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('the connection stayed open')), ANSWER_MS_MAX)
  })
  await Promise.race([connection, late]).finally(() => clearTimeout(timer))
}

/** `202 400 INVALID_JSON`: statuses in the order in which they came, with the code where there is one. */
function heard(text: string): string {
  const texts = text.matchAll(/HTTP\/1\.[01] (\d{3})|"code":"([A-Z_0-9]+)"/g)
  return [...texts].map(([, status, code]) => status ?? code).join(' ')
}
