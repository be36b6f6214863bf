import { afterAll, beforeAll, expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { RUNTIMES, type RunningEdge, startEdge } from '../testing/runtimes.ts'
import { send } from '../testing/send.ts'
import { head, openSocket } from '../testing/socket.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

// All runtimes and all kinds of slowness at once, because each of them takes its ten seconds.
const EVENT = '{"event":"a"}'
let gateway: StubGateway
let edges: RunningEdge[]

beforeAll(async () => {
  gateway = await startStubGateway()
  edges = await Promise.all(RUNTIMES.map((runtime) => startEdge(runtime, gateway)))
}, 30_000)
afterAll(async () => {
  for (const edge of edges ?? []) await edge.stop()
  await gateway?.close()
})

it('a body that does not come is refused with 408 after 10 s, however it was announced', async () => {
  const { key } = gateway.addKey()
  const connections = await Promise.all(
    edges.flatMap(({ port }) => KINDS.map(() => openSocket(port))),
  )
  connections.forEach((connection, i) => {
    const [line, body] = KINDS[i % KINDS.length] as (typeof KINDS)[number]
    connection.write(head(key, ...line) + body)
  })
  const drips = setInterval(() => {
    for (let i = 0; i < connections.length; i += KINDS.length) connections[i]?.write(' ')
  }, 500)
  const start = performance.now()
  await expect
    .poll(() => connections.map((connection) => connection.received().slice(9, 12)), {
      timeout: LIMITS.bodyReadMsMax + 3_000,
    })
    .toEqual(connections.map(() => '408'))
  clearInterval(drips)
  expect(performance.now() - start).toBeGreaterThan(LIMITS.bodyReadMsMax - 500)
  for (const connection of connections) {
    expect(connection.received()).toContain('"code":"BODY_TOO_SLOW"')
    connection.reset()
  }
  expect(gateway.taken).toEqual([])
  for (const { port } of edges) {
    const answer = await send(port, { headers: { authorization: `Bearer ${key}` }, body: EVENT })
    expect(answer.status).toBe(202)
  }
}, 20_000)

/** The first one trickles on, half a second a byte. */
const KINDS: readonly (readonly [string[], string])[] = [
  [['Content-Length: 100000'], ''],
  [['Content-Length: 100'], EVENT],
  [['Transfer-Encoding: chunked'], `d\r\n${EVENT}\r\n`],
  [['Content-Length: 100', 'Content-Encoding: gzip'], ''],
]
