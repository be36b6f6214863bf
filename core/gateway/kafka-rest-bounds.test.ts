import { connect } from 'node:net'
import { Hono } from 'hono'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { type Served, serveApp } from '../api/http/serve.ts'
import { createDatabase, type Database } from '../db/database.ts'
import type { Log } from '../log/log.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { createKafkaRest, type KafkaRest } from './kafka-rest.ts'

const topic = 'events.raw'
const authorization = `Basic ${btoa('sluice:secret')}`

let database: TestDatabase
let db: Database
let log: Log
let gateway: KafkaRest
let served: Served
/** How often the end of the log was read. */
let looks: number
let errors: unknown[]
/** While set, a read waits for it with the records it has found, and ignores its signal. */
let held: Promise<void> | undefined

beforeEach(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2, statementMs: 1_000 })
  log = await createPostgresLog({ url: database.url })
  looks = 0
  errors = []
  held = undefined
  const counted: Log = {
    ...log,
    offsets(of) {
      looks++
      return log.offsets(of)
    },
    async *batches(of, options) {
      if (!held) return yield* log.batches(of, options)
      for await (const batch of log.batches(of, {
        ...options,
        signal: new AbortController().signal,
      })) {
        await held
        yield batch
      }
    },
  }
  gateway = createKafkaRest({
    log: counted,
    db,
    users: [{ name: 'sluice', password: 'secret', scope: 'all' }],
    onError: (error) => errors.push(error),
  })
  served = await serveApp(new Hono().route('/gateway', gateway.app), { port: 0 })
})
afterEach(async () => {
  await gateway.close()
  await served.close(100)
  await Promise.all([log.close(), db.destroy()])
  await database.drop()
})

interface Asked {
  body?: unknown
  headers?: Record<string, string>
  method?: string
  signal?: AbortSignal
}
async function ask(path: string, { body, headers, method = 'POST', signal }: Asked = {}) {
  const response = await fetch(`${served.url}/gateway/${path}`, {
    method,
    headers: { authorization, ...headers },
    signal: signal ?? null,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, json: text && JSON.parse(text) }
}
const put = (value: string, partition = 0) => ask('produce', { body: { topic, value, partition } })
const consume = (group: string, instance: string, more: object = {}, headers = {}) =>
  ask(`consume/${group}/${instance}`, {
    body: { topic, timeout: 0, ...more },
    headers: { 'Kafka-Auto-Offset-Reset': 'earliest', ...headers },
  })
const countOf = async (table: string) =>
  Number((await database.pool.query(`SELECT count(*) FROM ${table}`)).rows[0].count)

describe('what reading requests say', () => {
  const position = { topic, partition: 0, offset: 0 }
  test.each<[string, number, string, Asked]>([
    ['a fetch of nothing', 400, 'fetch', { body: {} }],
    ['a fetch without a body', 400, 'fetch', {}],
    ['a fetch that is not an object', 400, 'fetch', { body: [position] }],
    ['a fetch from an unknown topic', 404, 'fetch', { body: { ...position, topic: 'x' } }],
    ['a fetch from a member of Object', 404, 'fetch', { body: { ...position, topic: 'toString' } }],
    [
      'a fetch from a partition that does not exist',
      404,
      'fetch',
      { body: { ...position, partition: 6 } },
    ],
    ['a fetch from half an offset', 400, 'fetch', { body: { ...position, offset: 0.5 } }],
    ['a fetch from before the beginning', 400, 'fetch', { body: { ...position, offset: -1 } }],
    ['a fetch with a timeout in words', 400, 'fetch', { body: { ...position, timeout: 'ever' } }],
    ['a fetch with a negative timeout', 400, 'fetch', { body: { ...position, timeout: -1 } }],
    [
      'a fetch from one partition twice',
      400,
      'fetch',
      { body: { ...position, topicPartitionOffsets: [position] } },
    ],
    [
      'a fetch from too many partitions',
      413,
      'fetch',
      { body: { topicPartitionOffsets: Array(1_001).fill(position) } },
    ],
    ['a body that is not JSON', 400, 'fetch', { body: '{' }],
    ['a body that is too large', 413, 'fetch', { body: ' '.repeat(300_000) }],
    ['no topic to consume', 400, 'consume/g/i', { body: {} }],
    ['an unknown topic to consume', 404, 'consume/g/i', { body: { topics: [topic, 'x'] } }],
    ['topics that are not a list', 400, 'consume/g/i', { body: { topics: topic } }],
    ['a wait in words in the query', 400, `consume/g/i/${topic}?timeout=long`, {}],
    ['an empty name of a group', 400, 'consume/%20%00/i', { body: { topic } }],
    ['a name with a line break', 400, 'consume/g%0Ag/i', { body: { topic } }],
    ['a name that is too long', 400, `consume/${'g'.repeat(256)}/i`, { body: { topic } }],
    [
      'a commit to a partition that does not exist',
      404,
      'commit/g/i',
      { body: { ...position, partition: 9 } },
    ],
    ['a commit without an offset', 400, 'commit/g/i', { body: { topic, partition: 0 } }],
    ['a commit of an unknown instance', 404, 'commit/g/i', { body: position }],
    ['a commit of everything by an unknown instance', 404, 'commit/g/i', {}],
    ['offsets at an invalid time', 400, 'offsets/yesterday', { body: position }],
    ['offsets at a time out of range', 400, 'offsets/9999999999999999', { body: position }],
    [
      'offsets of a partition that does not exist',
      404,
      'offsets/latest',
      { body: { topic, partition: 7 } },
    ],
  ])('%s is refused with %i in Upstash’s error format', async (_, status, path, asked) => {
    expect(await ask(path, asked)).toMatchObject({
      status,
      json: { error: expect.any(String), status },
    })
    // A refused request creates no group.
    expect(await countOf('rest_group')).toBe(0)
    expect(errors).toEqual([])
  })

  test.each([
    ['Kafka-Auto-Offset-Reset', 'sometimes'],
    ['Kafka-Enable-Auto-Commit', 'perhaps'],
    ['Kafka-Auto-Commit-Interval', '0'],
    ['Kafka-Auto-Commit-Interval', 'often'],
    ['Kafka-Session-Timeout-Ms', '3600001'],
  ])('%s: %s is refused', async (name, value) => {
    const { status, json } = await consume('g', 'i', {}, { [name]: value })
    expect([status, json.error]).toEqual([400, expect.stringContaining(name)])
  })

  test.each([
    ['GET', 'fetch', 'POST'],
    ['GET', `consume/g/i/${topic}`, 'POST'],
    ['GET', 'commit/g/i', 'POST'],
    ['GET', 'delete-consumer/g/i', 'POST, DELETE'],
    ['PUT', 'produce/events.raw', 'POST'],
    ['POST', 'topics', 'GET, HEAD'],
    ['DELETE', 'consumers', 'GET, HEAD'],
  ])('%s %s is answered 405 with Allow', async (method, path, allow) => {
    const { status, headers, json } = await ask(path, { method })
    expect([status, headers.get('allow'), json.status]).toEqual([405, allow, 405])
  })

  test('names may have spaces, umlauts and slashes, and Upstash’s path that ends in the topic works', async () => {
    await put('a')
    const path = `consume/${encodeURIComponent('Büro, 3. Stock')}/${encodeURIComponent('a/b')}/${topic}?timeout=0`
    const { json } = await ask(path, { headers: { 'Kafka-Auto-Offset-Reset': 'earliest' } })
    expect(json).toMatchObject([{ value: 'a' }])
    expect((await ask('consumers', { method: 'GET' })).json).toMatchObject([
      { name: 'Büro, 3. Stock', instances: [{ name: 'a/b' }] },
    ])
  })

  test('an instance can be deleted by DELETE too, and repeatedly', async () => {
    await consume('g', 'i')
    for (let i = 0; i < 2; i++)
      expect(await ask('delete-consumer/g/i', { method: 'DELETE' })).toMatchObject({
        status: 200,
        json: { result: 'Success' },
      })
    expect((await ask('consumers', { method: 'GET' })).json).toEqual([])
  })
})

describe('the limits on waiting readers', () => {
  const wait = (signal?: AbortSignal) =>
    ask('fetch', { body: { topic, partition: 0, offset: 0, timeout: 60_000 }, signal })

  test('readers up to the limit wait and share their look-ups; one more is answered 429 with Retry-After', async () => {
    const waiting = Array.from({ length: LIMITS.gatewayWaitersMax }, () => wait())
    await expect
      .poll(async () => (await wait(AbortSignal.timeout(200)).catch(() => undefined))?.status)
      .toBe(429)
    const refused = await wait()
    expect([refused.headers.get('retry-after'), refused.json.error]).toEqual([
      '1',
      expect.stringContaining('TOO_MANY_READERS'),
    ])
    const before = looks
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    expect(looks - before).toBeLessThan(12)
    await put('for all')
    for (const each of await Promise.all(waiting))
      expect(each.json).toMatchObject([{ value: 'for all' }])
  })

  test('a client that disconnects stops waiting, and its position does not move', async () => {
    const leaving = new AbortController()
    const left = Array.from({ length: LIMITS.gatewayWaitersMax }, () => wait(leaving.signal))
    const consuming = ask('consume/g/i', {
      body: { topic, timeout: 60_000 },
      headers: { 'Kafka-Auto-Offset-Reset': 'earliest' },
      signal: leaving.signal,
    })
    for (const each of [...left, consuming]) each.catch(() => {})
    await expect.poll(() => countOf('rest_position')).toBe(6)
    leaving.abort()
    await expect
      .poll(
        async () =>
          (await ask('fetch', { body: { topic, partition: 0, offset: 0, timeout: 0 } })).status,
      )
      .toBe(200)
    await put('still there')
    expect((await consume('g', 'i')).json).toMatchObject([{ value: 'still there' }])
  })

  test('a client that disconnects while its records are read does not count as having them', async () => {
    const gate = Promise.withResolvers<void>()
    held = gate.promise
    await put('a')
    const leaving = new AbortController()
    const left = ask('consume/g/i', {
      body: { topic, timeout: 0 },
      headers: { 'Kafka-Auto-Offset-Reset': 'earliest' },
      signal: leaving.signal,
    })
    left.catch(() => {})
    await expect.poll(() => countOf('rest_position')).toBe(6)
    leaving.abort()
    await left.catch(() => {})
    // The server has noticed it once it has answered a later request on another connection.
    await ask('topics', { method: 'GET' })
    gate.resolve()
    held = undefined
    expect((await consume('g', 'i')).json).toMatchObject([{ value: 'a' }])
  })

  test('closing answers waiting readers at once, with no records', async () => {
    const waiting = [wait(), consume('g', 'i', { timeout: 60_000 })]
    await expect.poll(() => countOf('rest_position')).toBe(6)
    const began = performance.now()
    await gateway.close()
    for (const each of await Promise.all(waiting))
      expect([each.status, each.json]).toEqual([200, []])
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  test('a sender of half a request affects no other request', async () => {
    const socket = connect(served.port, '127.0.0.1')
    socket.write(
      `POST /gateway/consume/g/i HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\nContent-Length: 100\r\n\r\n{"topic"`,
    )
    await put('a')
    socket.destroy()
    expect((await consume('g', 'i')).json).toMatchObject([{ value: 'a' }])
  })
})

describe('the limits on stored groups and instances', () => {
  test('a group has at most as many instances as there are partitions, until a session expires', async () => {
    for (let i = 0; i < 9; i++) expect((await consume('g', `i${i}`)).status).toBe(200)
    const tenth = await consume('g', 'i9')
    expect([tenth.status, tenth.json.error]).toEqual([
      409,
      expect.stringContaining('TOO_MANY_INSTANCES'),
    ])
    expect(await countOf('rest_instance')).toBe(9)
    await database.pool.query(
      "UPDATE rest_instance SET expires_at = now() - interval '1 s' WHERE instance_id = 'i3'",
    )
    expect((await consume('g', 'i9')).status).toBe(200)
    const { json } = await ask('consumers', { method: 'GET' })
    expect(json[0].instances.map(({ name }: { name: string }) => name)).not.toContain('i3')
  })

  test('the number of groups is limited, and groups unused for a week are deleted', async () => {
    await database.pool.query(
      `INSERT INTO rest_group SELECT 'group ' || i, now() - interval '1 day' FROM generate_series(1, ${LIMITS.consumerGroupsMax}) i`,
    )
    const refused = await consume('new', 'i')
    expect([refused.status, refused.json.error]).toEqual([
      429,
      expect.stringContaining('TOO_MANY_GROUPS'),
    ])
    await database.pool.query(
      "UPDATE rest_group SET touched_at = now() - interval '8 days' WHERE group_id = 'group 7'",
    )
    expect((await consume('new', 'i')).status).toBe(200)
    expect(await countOf('rest_group')).toBe(LIMITS.consumerGroupsMax)
  })

  test('a session lasts as long as the request says after its wait', async () => {
    await put('a')
    const short = { 'Kafka-Session-Timeout-Ms': '300', 'Kafka-Enable-Auto-Commit': 'false' }
    expect((await consume('g', 'i', {}, short)).json).toHaveLength(1)
    await expect
      .poll(async () => (await ask('consumers', { method: 'GET' })).json, { timeout: 5_000 })
      .toEqual([])
    expect((await consume('g', 'i', {}, short)).json).toHaveLength(1)
    const late = consume('g', 'i', { timeout: 10_000 }, short)
    await new Promise((resolve) => setTimeout(resolve, 600))
    await put('b')
    expect((await late).json).toMatchObject([{ value: 'b' }])
  })
})

test('readers are answered 503 with Retry-After while Postgres refuses, and succeed afterwards', async () => {
  await put('a')
  await database.pool.query('ALTER TABLE rest_group RENAME TO away')
  const { status, headers, json } = await consume('g', 'i')
  expect([status, headers.get('retry-after'), json.status]).toEqual([503, '2', 503])
  expect(errors.length).toBeGreaterThan(0)
  await database.pool.query('ALTER TABLE away RENAME TO rest_group')
  expect((await consume('g', 'i')).json).toHaveLength(1)
})
