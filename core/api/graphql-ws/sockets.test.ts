import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { type Client, createClient, type ExecutionResult } from 'graphql-ws'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import WebSocket from 'ws'
import { createKey, revokeKey } from '../../identity/api-keys.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import { createQueryFixture, type QueryFixture } from '../graphql/testing/fixture.ts'
import { createCoreApp } from '../http/app.ts'
import { createMetrics } from '../http/metrics.ts'
import { type Served, serveApp } from '../http/serve.ts'
import { SOCKET_LIMITS } from './limits.ts'
import { createGraphQLSockets } from './sockets.ts'

const PROTOCOL = 'graphql-transport-ws'
const LIVE = 'subscription { live { eventsPerMinute recent { id } } }'

let fixture: QueryFixture
let core: Served
let url: string
let key: string
beforeAll(async () => {
  fixture = await createQueryFixture()
  const { db, log, graphql, live } = fixture
  const app = createCoreApp({
    db,
    log,
    logger: { error() {} },
    metrics: createMetrics({ db, log }),
    api: { graphql, dashboardFolder: '/nowhere' },
  })
  core = await serveApp(app, {
    port: 0,
    sockets: createGraphQLSockets({ graphql, live, recheckMs: 200 }),
  })
  url = `${core.url.replace('http', 'ws')}/graphql`
  key = (await fixture.keyOf('default')).authorization as string
})
afterAll(async () => {
  await core.close(0)
  await fixture.close()
})

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await expect.poll(() => fixture.live.size).toBe(0)
})

interface Closed {
  code: number
  reason: string
}

/** The published client, as a browser or a server would use it. */
function clientOf(parameters: object | undefined, headers: Record<string, string> = {}) {
  let resolve: (closed: Closed) => void = () => {}
  const closed = new Promise<Closed>((done) => {
    resolve = done
  })
  const client: Client = createClient({
    url,
    connectionParams: parameters as Record<string, unknown>,
    webSocketImpl: class extends WebSocket {
      constructor(address: string, protocols: string[]) {
        super(address, protocols, { headers })
      }
    },
    retryAttempts: 0,
    lazy: true,
    onNonLazyError() {},
    on: { closed: (event) => resolve(event as Closed) },
  })
  closing.push(() => client.dispose())
  return { client, closed }
}

// biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
type Results = AsyncIterableIterator<ExecutionResult<any>>
const subscribe = (client: Client, query = LIVE): Results => client.iterate({ query }) as Results

/** A connection without the library: resolves with the first message, or with the code of its end. */
async function raw(headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, PROTOCOL, { headers })
  closing.push(() => socket.terminate())
  const status = new Promise<number>((resolve) => {
    socket.once('open', () => resolve(101))
    socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    socket.once('error', () => {})
  })
  const ended = new Promise<number>((resolve) => socket.once('close', resolve))
  return { socket, status: await status, ended }
}

describe('a subscription', () => {
  test('receives what SSE receives: the current state, then each stored event', async () => {
    await fixture.store('default', [{ id: 'first' }])
    const results = subscribe(clientOf({ authorization: key }).client)
    const { value } = await results.next()
    expect(value.data.live.recent.map(({ id }: { id: string }) => id)).toContain('first')
    await fixture.store('default', [{ id: 'second' }])
    for (;;) {
      const { value } = await results.next()
      if (value.data.live.recent.some(({ id }: { id: string }) => id === 'second')) break
    }
    await results.return?.()
  })

  test('belongs to the tenant of its key, or to a person who is signed in', async () => {
    await expect(
      subscribe(
        clientOf({ authorization: key }).client,
        'subscription { live(tenant: "other") { at } }',
      ).next(),
    ).rejects.toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    const session = await fixture.session()
    const origin = { origin: core.url, 'sec-fetch-site': 'same-origin' }
    const results = subscribe(
      clientOf(undefined, { ...session, ...origin }).client,
      'subscription { live(tenant: "other") { at } }',
    )
    expect((await results.next()).value.data.live.at).toMatch(/Z$/)
  })

  test('that is completed right after it began leaves nothing behind, while its connection stays open', async () => {
    const { socket } = await raw()
    const send = (message: object) => socket.send(JSON.stringify(message))
    send({ type: 'connection_init', payload: { authorization: key } })
    await once(socket, 'message')
    const held = fixture.live.size
    for (let i = 0; i < 40; i++) {
      send({ id: `s${i}`, type: 'subscribe', payload: { query: LIVE } })
      // Anywhere between the message and the first result.
      await new Promise((resolve) => setTimeout(resolve, i % 8))
      send({ id: `s${i}`, type: 'complete' })
    }
    await expect.poll(() => fixture.live.size, { timeout: 5_000 }).toBe(held)
  })

  test('has the errors and limits of every other request', async () => {
    const { client } = clientOf({ authorization: key })
    const codeOf = (query: string) =>
      subscribe(client, query)
        .next()
        .then(
          ({ value }) => value.errors?.[0]?.extensions?.code,
          ([error]) => error.extensions?.code ?? error.message,
        )
    expect(await codeOf('subscription { nothing }')).toMatch(
      /Cannot query field|GRAPHQL_VALIDATION/,
    )
    const aliases = Array.from({ length: 101 }, (_, i) => `a${i}: at`).join(' ')
    expect(await codeOf(`subscription { live { ${aliases} } }`)).toBe('QUERY_TOO_LARGE')
    expect(await codeOf('subscription {')).toMatch(/Syntax Error|GRAPHQL_PARSE/)
    // Queries take the same way, and get the same numbers.
    const { value } = await subscribe(client, '{ viewer { kind } }').next()
    expect(value.data.viewer.kind).toBe('KEY')
  })
})

describe('shares', () => {
  test('a connection and its first subscription are one, and each further subscription counts by itself', async () => {
    const { client } = clientOf({ authorization: key })
    const first = subscribe(client)
    await first.next()
    expect(fixture.live.size).toBe(1)
    const second = subscribe(client)
    await second.next()
    expect(fixture.live.size).toBe(2)
    await first.return?.()
    await second.return?.()
    await expect.poll(() => fixture.live.size).toBeLessThanOrEqual(1)
  })

  test('connections without a subscription use up the limit of their key, which SSE has in common', async () => {
    const { key: other } = await createKey(fixture.db, {
      tenant: 'other',
      name: 'many',
      scopes: ['read'],
    })
    for (let i = 0; i < LIVE_LIMITS.subscribersPerCredentialMax; i++) {
      const { socket } = await raw({ authorization: `Bearer ${other}` })
      socket.send('{"type":"connection_init"}')
    }
    await expect.poll(() => fixture.live.size).toBe(LIVE_LIMITS.subscribersPerCredentialMax)
    const late = await raw({ authorization: `Bearer ${other}` })
    late.socket.send('{"type":"connection_init"}')
    expect(await late.ended).toBe(1013)
    const overSse = await fetch(`${core.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        authorization: `Bearer ${other}`,
      },
      body: JSON.stringify({ query: LIVE }),
    })
    expect(await overSse.text()).toContain('OVERLOADED')
  })
})

describe('who may connect', () => {
  test('a connection without a valid key ends with 4401, and one without the scope read with 4403', async () => {
    for (const parameters of [
      undefined,
      { authorization: 'Bearer slc_sec_x' },
      { authorization: '\u0000' },
    ]) {
      const { client, closed } = clientOf(parameters)
      await expect(subscribe(client).next()).rejects.toBeDefined()
      expect((await closed).code).toBe(4401)
    }
    const { key: writer } = await createKey(fixture.db, {
      tenant: 'default',
      name: 'w',
      scopes: ['ingest'],
    })
    const { client, closed } = clientOf({ authorization: `Bearer ${writer}` })
    await expect(subscribe(client).next()).rejects.toBeDefined()
    expect((await closed).code).toBe(4403)
  })

  test('a page of another origin gets no WebSocket, nor does an unknown host or path', async () => {
    const session = await fixture.session()
    const headers = { origin: 'https://elsewhere.example' }
    expect((await raw({ ...session, ...headers })).status).toBe(403)
    expect((await raw({ authorization: key, 'sec-fetch-site': 'same-site' })).status).toBe(403)
    expect((await raw({ authorization: key, host: 'rebound.example' })).status).toBe(421)
    const other = new WebSocket(url.replace('/graphql', '/mcp'), PROTOCOL)
    const status = await new Promise((resolve) => {
      other.once('unexpected-response', (_, response) => resolve(response.statusCode))
      other.once('error', () => {})
    })
    expect(status).toBe(404)
  })

  test('a client that is refused and never closes its side keeps no connection', async () => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.write(
      `GET /mcp HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    socket.resume()
    await once(socket, 'end')
    const talking = setInterval(() => socket.write('x'), 50)
    await closed.finally(() => clearInterval(talking))
  })

  test('a connection closes once its key is revoked, with a subscription and without', async () => {
    const { key: own, keyId } = await createKey(fixture.db, {
      tenant: 'default',
      name: 'r',
      scopes: ['read'],
    })
    const idle = await raw({ authorization: `Bearer ${own}` })
    idle.socket.send('{"type":"connection_init"}')
    const { client, closed } = clientOf({ authorization: `Bearer ${own}` })
    const results = subscribe(client)
    await results.next()
    await revokeKey(fixture.db, keyId)
    expect(await idle.ended).toBe(4401)
    expect((await closed).code).toBe(4401)
    const drained = async () => {
      for await (const _ of results);
    }
    await expect(drained()).rejects.toMatchObject({ code: 4401 })
  })

  test('a client that does not send who it is is disconnected, and strangers hold so many connections', async () => {
    const strangers = await Promise.all(
      Array.from({ length: SOCKET_LIMITS.pendingPerAddressMax }, () => raw()),
    )
    expect(strangers.every(({ status }) => status === 101)).toBe(true)
    expect((await raw({ authorization: key })).status).toBe(503)
    expect(new Set(await Promise.all(strangers.map(({ ended }) => ended)))).toEqual(new Set([4408]))
    expect((await raw({ authorization: key })).status).toBe(101)
  })
})

describe('a hostile client', () => {
  test.each([
    ['a message that is too large', `"${'x'.repeat(SOCKET_LIMITS.messageBytesMax)}"`, 1009],
    ['what is not a message', '{"type":"nonsense"}', 4400],
    [
      'a subscription before it said who it is',
      '{"type":"subscribe","id":"1","payload":{"query":"{a}"}}',
      4401,
    ],
  ])('%s ends the connection', async (_, text, code) => {
    const { socket, ended } = await raw({ authorization: key })
    socket.send(text)
    expect(await ended).toBe(code)
  })

  test('one that sends more operations at once than a connection may have is disconnected', async () => {
    const { socket, ended } = await raw({ authorization: key })
    socket.send('{"type":"connection_init"}')
    await new Promise((resolve) => socket.once('message', resolve))
    // Many times as many, because some of them may have ended before the next ones arrive.
    for (let i = 0; i < 20 * SOCKET_LIMITS.messagesAtOnceMax; i++)
      socket.send(JSON.stringify({ type: 'subscribe', id: String(i), payload: { query: LIVE } }))
    expect(await ended).toBe(1006)
  })

  test('one that reads nothing holds one update, not a queue of them', async () => {
    const { socket } = await raw({ authorization: key })
    socket.send('{"type":"connection_init"}')
    await new Promise((resolve) => socket.once('message', resolve))
    // biome-ignore lint/suspicious/noExplicitAny: the shape is what is tested
    const updates: any[] = []
    socket.on('message', (data) => updates.push(JSON.parse(String(data)).payload?.data?.live))
    const query = 'subscription { live { at recent { id properties } } }'
    socket.send(JSON.stringify({ type: 'subscribe', id: '1', payload: { query } }))
    await expect.poll(() => updates.length).toBeGreaterThan(0)
    socket.pause()
    const quick = subscribe(
      clientOf({ authorization: key }).client,
      'subscription { live { recent { id } } }',
    )
    // Together more than the buffers of a connection take.
    const text = 'x'.repeat(1024 * 1024)
    const stored = 14
    for (let i = 0; i < stored; i++) {
      await fixture.store('default', [{ id: `big-${i}`, properties: { text } }])
      // Each is an update of its own for a client that reads.
      for (let found = false; !found; ) {
        const { value } = await quick.next()
        found = value.data.live.recent.some(({ id }: { id: string }) => id === `big-${i}`)
      }
    }
    const resumedAt = new Date().toISOString()
    socket.resume()
    await expect.poll(() => updates.at(-1)?.at > resumedAt, { timeout: 20_000 }).toBe(true)
    const large = updates.filter((update) =>
      update?.recent.some(({ id }: { id: string }) => id.startsWith('big')),
    )
    expect(large.length).toBeLessThan(stored)
  })
})

test('a request of HTTP/1.1 that offers HTTP/2 is served as it is', async () => {
  const status = await new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': '' }
    const sent = request(`${core.url}/v1/openapi.json`, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.once('error', reject)
    sent.end()
  })
  expect(status).toBe(200)
})

test('a handshake that breaks off is forgotten', async () => {
  for (let i = 0; i < SOCKET_LIMITS.pendingPerAddressMax + 1; i++) {
    const socket = connect(core.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write(
      `GET /graphql HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
  }
  await expect.poll(async () => (await raw({ authorization: key })).status).toBe(101)
})
