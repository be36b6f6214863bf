import { afterAll, beforeAll, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { RUNTIMES, type RunningEdge, startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'
import { openSocket, requestHead } from '../../testing/socket.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

// All runtimes and all kinds of slow clients run concurrently, because each takes ten seconds.
const EVENT = '{"event":"a"}'
const FULL_BODIES = Math.floor(LIMITS.edgeBytesInFlightMax / LIMITS.bodyBytesMax)
let gateway: StubGateway
let edges: RunningEdge[]

beforeAll(async () => {
  gateway = await startStubGateway()
  edges = await Promise.all(RUNTIMES.map((runtime) => startEdge(runtime, gateway)))
}, 60_000)
afterAll(async () => {
  for (const edge of edges ?? []) await edge.stop()
  await gateway?.close()
})

it.concurrent('a body that does not arrive gets a 408 after 10 s', async ({ expect }) => {
  const { key, record } = gateway.addKey()
  const connections = await Promise.all(
    edges.flatMap(({ port }) => KINDS.map(() => openSocket(port))),
  )
  connections.forEach((connection, i) => {
    const [line, body] = KINDS[i % KINDS.length] as (typeof KINDS)[number]
    connection.write(requestHead(key, ...line) + body)
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
  const arrived = () => gateway.records.filter((event) => event.key?.startsWith(record.tenant))
  expect(arrived()).toEqual([])
  // The other test may have used up the byte budget for a while.
  for (const { port } of edges)
    await expect
      .poll(
        async () =>
          (await send(port, { headers: { authorization: `Bearer ${key}` }, body: EVENT })).status,
        { timeout: 12_000, interval: 500 },
      )
      .toBe(202)
}, 40_000)

it.concurrent('a head that arrives slowly or not at all does not hold its connection for long', async ({
  expect,
}) => {
  const heads = ['', 'POST /v1/events HTTP/1.1\r\nHost: edge']
  const connections = await Promise.all(
    edges.flatMap(({ port }) => heads.map(() => openSocket(port))),
  )
  connections.forEach((connection, i) => {
    connection.write(heads[i % heads.length] as string)
  })
  const drips = setInterval(() => {
    for (let i = 1; i < connections.length; i += heads.length) connections[i]?.write('x')
  }, 1_000)
  const closed = connections.map(() => false)
  connections.forEach((connection, i) => {
    void connection.closed.then(() => {
      closed[i] = true
    })
  })
  // workerd closes after 15 s, Node after 10 s. Deno.serve has no such timeout (denoland/deno#3515) and
  // needs a proxy that has one.
  const expected = edges.flatMap((_, i) => heads.map(() => RUNTIMES[i] !== 'deno'))
  await expect.poll(() => closed, { timeout: 18_000, interval: 200 }).toEqual(expected)
  clearInterval(drips)
  for (const connection of connections) {
    expect(connection.received()).toMatch(/^(HTTP\/1\.1 408 .*)?$/s)
    connection.reset()
  }
}, 40_000)

it.concurrent('clients that disconnect during their request release the byte budget', async ({
  expect,
}) => {
  const { key } = gateway.addKey()
  const keys = Array.from({ length: FULL_BODIES }, () => gateway.addKey().key)
  // Enough of these to fill the byte budget, each of another tenant.
  const full = `[${EVENT}${' '.repeat(LIMITS.bodyBytesMax - EVENT.length - 2)}]`
  const small = { headers: { authorization: `Bearer ${key}` }, body: EVENT }
  for (const [i, { port }] of edges.entries()) {
    // Its log has no request for each of them to wait for.
    if (RUNTIMES[i] === 'collector') continue
    expect((await send(port, small)).status).toBe(202)
    const requestsBefore = gateway.requestCounts.produce
    gateway.produceFaults.push(...Array(FULL_BODIES).fill('hang'))
    const leavers = await Promise.all(Array.from({ length: FULL_BODIES }, () => openSocket(port)))
    for (const [i, leaver] of leavers.entries())
      leaver.write(requestHead(keys[i] as string, `Content-Length: ${full.length}`) + full)
    await expect
      .poll(() => gateway.requestCounts.produce, { timeout: 5_000 })
      .toBe(requestsBefore + FULL_BODIES)
    const rejected = await send(port, small)
    expect([rejected.status, rejected.json.code]).toEqual([503, 'OVERLOADED'])
    expect(rejected.headers['retry-after']).toBe('1')
    for (const leaver of leavers) leaver.reset()
  }
  for (const { port } of edges)
    await expect
      .poll(async () => (await send(port, small)).status, { timeout: 12_000, interval: 500 })
      .toBe(202)
}, 30_000)

/** The first kind receives one byte every half second. */
const KINDS: readonly (readonly [string[], string])[] = [
  [['Content-Length: 100000'], ''],
  [['Content-Length: 100'], EVENT],
  [['Transfer-Encoding: chunked'], `d\r\n${EVENT}\r\n`],
  [['Content-Length: 100', 'Content-Encoding: gzip'], ''],
]
