import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kafka } from '@upstash/kafka'
import { Hono } from 'hono'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { type ProduceResult, produceResults } from '../../contract/log/kafka-rest.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { freeze } from '../../tests/lib/freeze.ts'
import { type PostgresServer, startPostgresServer } from '../../tools/postgres/postgres-server.ts'
import { type Served, serveApp } from '../api/http/serve.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { readUntil } from '../log/log.suite.ts'
import type { Log, LogRecord } from '../log/log.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { createKafkaRest, type KafkaRest } from './kafka-rest.ts'
import type { BatcherLimits } from './produce/batcher-limits.ts'
import { BODY_BYTES_MAX } from './read-body.ts'

const topic = 'events.raw'
const credentials = { username: 'sluice', password: 'a:secret of the test' }
const authorization = `Basic ${btoa(`${credentials.username}:${credentials.password}`)}`

let log: Log
let db: Database
let gateway: KafkaRest
let served: Served
let appends: { requests: number; records: number }[]
let received: number

async function open(url: string, of: Log, limits?: Partial<BatcherLimits>): Promise<void> {
  log = of
  db = createDatabase(url, { max: 1 })
  appends = []
  received = 0
  gateway = createKafkaRest({
    users: [{ name: credentials.username, password: credentials.password, scope: 'all' }],
    db,
    log,
    limits,
    onAppend: (append) => appends.push(append),
  })
  const app = new Hono().use((_, next) => {
    received++
    return next()
  })
  served = await serveApp(app.route('/gateway', gateway.app), { port: 0 })
}
async function shut(): Promise<void> {
  await gateway.close()
  await served.close(100)
  await Promise.all([log.close(), db.destroy()])
}

const kafka = (settings = {}) =>
  new Kafka({ url: `${served.url}/gateway`, ...credentials, ...settings })

function post(body: BodyInit, headers: Record<string, string> = {}, init: object = {}) {
  return fetch(`${served.url}/gateway/produce`, {
    method: 'POST',
    body,
    headers: { authorization, ...headers },
    ...init,
  })
}
const produce = (body: unknown) => post(JSON.stringify(body))

const found = async (results: readonly ProduceResult[]): Promise<(LogRecord | undefined)[]> => {
  const bounds = await log.offsets(topic)
  const count = bounds.reduce((sum, { lastStableOffset: next }) => sum + next, 0)
  const everywhere = new Map(bounds.map(({ partition }) => [partition, 0]))
  const records = count === 0 ? [] : await readUntil({ log, topic }, everywhere, count)
  return results.map(({ partition, offset }) =>
    records.find((record) => record.partition === partition && record.offset === offset),
  )
}

describe('the gateway', () => {
  let database: TestDatabase

  beforeEach(async () => {
    database = await createTestDatabase()
    await open(database.url, await createPostgresLog({ url: database.url }))
  })
  afterEach(async () => {
    await shut()
    await database.drop()
  })

  test('@upstash/kafka produces one message and receives its position', async () => {
    const before = Date.now()
    const result = await kafka().producer().produce(topic, { hello: 'wörld' }, { key: 'ada' })
    expect(result).toMatchObject({ topic, offset: 0 })
    expect(result.timestamp).toBeGreaterThanOrEqual(before)
    const [record] = await found([result])
    expect(String(record?.value)).toBe('{"hello":"wörld"}')
    expect(String(record?.key)).toBe('ada')
  })

  test('@upstash/kafka produces many messages and receives positions in their order, one partition a key', async () => {
    const messages = Array.from({ length: 500 }, (_, i) => ({
      topic,
      value: `message ${i}`,
      key: `key ${i % 7}`,
      headers: [{ key: 'trace', value: 'x' }],
    }))
    const results = await kafka().producer().produceMany(messages)
    expect(produceResults.parse(results)).toHaveLength(500)
    const records = await found(results)
    expect(records.map((record) => String(record?.value))).toEqual(
      messages.map(({ value }) => value),
    )
    for (let k = 0; k < 7; k++)
      expect(
        new Set(results.filter((_, i) => i % 7 === k).map(({ partition }) => partition)).size,
      ).toBe(1)
  })

  test('a request may name several topics and partitions, or no record at all', async () => {
    const response = await produce([
      { topic: 'events.dlq', value: 'a', partition: 2 },
      { topic, value: 'b', partition: 5 },
      { topic, value: 'c' },
      { topic: 'events.dlq', value: 'd', partition: 2, key: null },
    ])
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject([
      { topic: 'events.dlq', partition: 2, offset: 0 },
      { topic, partition: 5, offset: 0 },
      { topic },
      { topic: 'events.dlq', partition: 2, offset: 1 },
    ])
    expect(await (await produce([])).json()).toEqual([])
  })

  test('two hundred concurrent requests are each confirmed, in a few appends', async () => {
    // The log is slow for a moment, so that the requests overlap.
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query('SELECT FROM log_partition FOR UPDATE')
    const responses = Promise.all(
      Array.from({ length: 200 }, (_, i) => produce({ topic, key: `k${i}`, value: `v${i}` })),
    )
    await expect.poll(() => received).toBe(200)
    await blocker.query('COMMIT')
    blocker.release()
    const results = (await Promise.all((await responses).map((response) => response.json()))).flat()
    expect((await found(results)).map((record) => String(record?.value))).toEqual(
      results.map((_, i) => `v${i}`),
    )
    expect(appends.reduce((sum, { requests }) => sum + requests, 0)).toBe(200)
    expect(appends.length).toBeLessThan(20)
  })

  test.each([
    ['no credentials', {}],
    ['a wrong password', { authorization: `Basic ${btoa('sluice:wrong')}` }],
    ['a wrong user', { authorization: `Basic ${btoa('other:a:secret of the test')}` }],
    ['another scheme', { authorization: `Bearer ${credentials.password}` }],
    ['credentials that are not base64', { authorization: 'Basic %%%' }],
    ['an empty pair', { authorization: `Basic ${btoa(':')}` }],
  ])(
    'a request with %s is answered 401 in Upstash’s error format, and nothing is stored',
    async (_, headers) => {
      const response = await post(JSON.stringify({ topic, value: 'v' }), {
        authorization: '',
        ...headers,
      })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toContain('Basic')
      expect(await response.json()).toEqual({ error: 'Unauthorized', status: 401 })
      expect(await found([])).toEqual([])
      expect(appends).toEqual([])
    },
  )

  const record = { topic, value: 'v' }
  test.each<[string, number, unknown]>([
    ['a string', 400, 'text'],
    ['a number', 400, 7],
    ['null', 400, null],
    ['a list of lists', 400, [[[record]]]],
    ['a list with null', 400, [record, null]],
    ['no topic', 400, { value: 'v' }],
    ['a topic that is not a string', 400, { topic: 1, value: 'v' }],
    ['an unknown topic', 404, { topic: 'no.such', value: 'v' }],
    ['a topic named like a member of Object', 404, { topic: 'constructor', value: 'v' }],
    ['no value', 400, { topic }],
    ['a value that is an object', 400, { topic, value: { a: 1 } }],
    ['a value that is null', 400, { topic, value: null }],
    ['a key that is a number', 400, { ...record, key: 1 }],
    ['a lone surrogate', 400, { topic, value: '\ud800' }],
    ['a partition that does not exist', 404, { ...record, partition: 6 }],
    ['a negative partition', 404, { ...record, partition: -1 }],
    ['half a partition', 404, { ...record, partition: 0.5 }],
    ['a partition in words', 404, { ...record, partition: '1' }],
    ['headers that are not a list', 400, { ...record, headers: { key: 'a', value: 'b' } }],
    ['a header that is not an object', 400, { ...record, headers: [null] }],
    ['a header without a value', 400, { ...record, headers: [{ key: 'a' }] }],
    [
      'a header with half a character',
      400,
      { ...record, headers: [{ key: 'a', value: '\ud800' }] },
    ],
    [
      'too many headers',
      400,
      { ...record, headers: Array.from({ length: 101 }, () => ({ key: 'a', value: '' })) },
    ],
    ['too many records', 413, Array(LIMITS.logAppendRecordsMax + 1).fill(record)],
    ['one invalid record among valid ones', 400, [record, record, { topic }]],
  ])(
    '%s is refused with %i in Upstash’s error format, and nothing is stored',
    async (_, status, body) => {
      const response = await produce(body)
      expect(response.status).toBe(status)
      expect(await response.json()).toEqual({ error: expect.any(String), status })
      expect(appends).toEqual([])
    },
  )

  test.each<[string, BodyInit]>([
    ['nothing', ''],
    ['incomplete JSON', '{"topic":'],
    ['bytes that are not UTF-8', new Uint8Array([0x22, 0xff, 0xfe, 0x22])],
    ['a byte order mark', '\ufeff[]'],
    ['deep nesting', '['.repeat(100_000)],
  ])('a body of %s is answered 400', async (_, body) => {
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ status: 400 })
  })

  test('the path may name the topic of all records', async () => {
    const response = await fetch(`${served.url}/gateway/produce/events.dlq`, {
      method: 'POST',
      body: JSON.stringify([
        { value: 'a', partition: 1 },
        { value: 'b', topic },
      ]),
      headers: { authorization },
    })
    expect(await response.json()).toMatchObject([
      { topic: 'events.dlq', partition: 1, offset: 0 },
      { topic },
    ])
    const unknown = await fetch(`${served.url}/gateway/produce/nowhere`, {
      method: 'POST',
      body: '{"value":"a"}',
      headers: { authorization },
    })
    expect(await unknown.json()).toEqual({ error: 'unknown topic', status: 404 })
  })

  test('a record may be as large as the edge’s largest; a larger one is refused by index, with all others of its request', async () => {
    const largest = 'x'.repeat(LIMITS.recordBytesMax - 1)
    const taken = await produce({ topic, key: 'k', value: largest })
    expect(taken.status).toBe(200)
    const [stored] = await found((await taken.json()) as ProduceResult[])
    expect(String(stored?.value) === largest).toBe(true)
    appends = []
    for (const more of [{ key: 'kk' }, { key: 'k', headers: [{ key: 'h', value: '' }] }]) {
      const response = await produce([record, { topic, value: largest, ...more }])
      expect(response.status).toBe(413)
      expect(await response.json()).toEqual({
        error: expect.stringMatching(/^record 1: RECORD_TOO_LARGE: \d+ bytes; at most 4193280 /),
        status: 413,
      })
    }
    expect(appends).toEqual([])
  })

  test('a body that is too large is refused, with its length declared or without', async () => {
    const large = Buffer.alloc(BODY_BYTES_MAX + 1, ' ')
    expect((await post(large)).status).toBe(413)
    const stream = new Blob([large]).stream()
    expect((await post(stream, {}, { duplex: 'half' })).status).toBe(413)
    const chunked = new Blob([JSON.stringify(record)]).stream()
    expect((await post(chunked, {}, { duplex: 'half' })).status).toBe(200)
  })

  test('a sender that disconnects in the middle of a body affects no other request', async () => {
    const socket = connect(served.port, '127.0.0.1')
    socket.write(
      `POST /gateway/produce HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 100\r\n\r\n{"topic"`,
    )
    await new Promise((resolve) => setTimeout(resolve, 30))
    socket.destroy()
    expect((await produce(record)).status).toBe(200)
  })

  test.each([`Content-Length: ${BODY_BYTES_MAX}`, 'Transfer-Encoding: chunked'])(
    'senders that disconnect in the middle of large bodies release their memory: %s',
    async (header) => {
      const sockets = Array.from({ length: 12 }, () => {
        const socket = connect(served.port, '127.0.0.1')
        socket.write(
          `POST /gateway/produce HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n${header}\r\n\r\n10000\r\n[${' '.repeat(65_535)}\r\n`,
        )
        return socket
      })
      await expect.poll(() => received).toBe(12)
      for (const socket of sockets) socket.destroy()
      const large = { ...record, value: 'x'.repeat(1_000_000) }
      expect((await produce(large)).status).toBe(200)
    },
  )

  test('another method is answered 405 with Allow', async () => {
    const response = await fetch(`${served.url}/gateway/produce`, { headers: { authorization } })
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
    expect(await response.json()).toMatchObject({ status: 405 })
  })

  test('requests are answered 503 with Retry-After while Postgres refuses, and succeed afterwards', async () => {
    await database.pool.query('ALTER TABLE log_partition RENAME TO away')
    const response = await produce(record)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('2')
    expect(await response.json()).toEqual({ error: 'the log did not confirm', status: 503 })
    await database.pool.query('ALTER TABLE away RENAME TO log_partition')
    expect((await produce(record)).status).toBe(200)
  })

  test('closing answers the requests under way, then refuses new ones', async () => {
    const under = Array.from({ length: 20 }, () => produce(record))
    await expect.poll(() => appends.length).toBeGreaterThan(0)
    await gateway.close()
    const statuses = (await Promise.all(under)).map(({ status }) => status)
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true)
    expect((await produce(record)).status).toBe(503)
  })
})

describe('the gateway in front of a frozen Postgres', () => {
  let home: string
  let server: PostgresServer
  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'sluice-gateway-test-'))
    chmodSync(home, 0o755)
    server = await startPostgresServer({ home, settings: { shared_buffers: '32MB' } })
    await migrate(server.url)
    await open(server.url, await createPostgresLog({ url: server.url, appendMsMax: 500 }), {
      deadlineMs: 700,
    })
  })
  afterAll(async () => {
    await shut()
    await server.stop()
    rmSync(home, { recursive: true, force: true })
  })

  test('answers every request 503 within the deadline, and @upstash/kafka’s own retries succeed when Postgres is back', async () => {
    expect((await produce({ topic, value: 'before' })).status).toBe(200)
    const thaw = freeze(server.pid)
    let patient: Promise<unknown>
    try {
      const began = Date.now()
      const responses = await Promise.all(
        Array.from({ length: 50 }, (_, i) => produce({ topic, key: `k${i}`, value: `lost? ${i}` })),
      )
      expect(responses.map(({ status }) => status)).toEqual(Array(50).fill(503))
      expect(responses.every(({ headers }) => headers.get('retry-after') === '2')).toBe(true)
      expect(Date.now() - began).toBeLessThan(6_000)
      patient = kafka().producer().produce(topic, 'patient', { key: 'p' })
      await new Promise((resolve) => setTimeout(resolve, 300))
    } finally {
      thaw()
    }
    const result = (await patient) as ProduceResult
    const [stored] = await found([result])
    expect(String(stored?.value)).toBe('patient')
    expect((await produce({ topic, value: 'after' })).status).toBe(200)
  })
})
