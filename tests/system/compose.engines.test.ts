import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import {
  createKafkaLog,
  createKafkaTopics,
  grantKafkaAppend,
} from '../../core/log/kafka/kafka-log.ts'
import { REQUIRED_VARIABLES, readComposeFile } from '../lib/compose-file.ts'
import { type ComposeProcesses, startCompose } from '../lib/compose-processes.ts'

/** What `docker compose up` would start, started from the same file without Docker. */
const secrets = Object.fromEntries(
  REQUIRED_VARIABLES.map((name) => [name, randomBytes(24).toString('hex')]),
)
const PUBLIC = 'https://sluice.example.test'
const file = readComposeFile({
  ...secrets,
  SLUICE_PUBLIC_URL: PUBLIC,
  // Counts of tests are exact.
  SLUICE_CANARY_SECONDS: '0',
})
let compose: ComposeProcesses
let write: string
let read: string

beforeAll(async () => {
  compose = await startCompose(file)
  await sluice('tenant', 'create', 'shop')
  write = await key('ingest')
  read = await key('read')
}, 240_000)
afterAll(() => compose?.stop(), 120_000)

test('every service starts in order and passes its own health check, with as many workers as the file declares', () => {
  const oneShots = ['topics', 'migrate']
  expect([...compose.running.keys(), ...oneShots].sort()).toEqual(Object.keys(file.services).sort())
  expect(compose.running.get('worker')).toHaveLength(file.services.worker?.deploy?.replicas ?? 0)
})

test('an event sent to the collector and to the edge is returned by GraphQL exactly once, however often it is sent', async () => {
  const id = randomUUID()
  for (const service of ['collector', 'edge', 'collector']) {
    const answer = await send(id, { service })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('sluice-degraded'), compose.logs('core')).toBeNull()
  }
  // Both have their limits and locks in the same Redis.
  const once = { idempotencyKey: 'once' }
  const repeated = [await send(id, once), await send(id, { ...once, service: 'edge' })]
  expect(repeated.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true'])
  await expect.poll(() => find(id), { timeout: 20_000 }).toEqual({ id, name: 'composed' })
  await expect.poll(() => count('composed'), { timeout: 20_000 }).toBe(1)
})

test('the collector accepts events while core is away, with a key that it has not seen before', async () => {
  const other = await key('ingest')
  const published = `sluice:key:${createHash('sha256').update(other).digest('hex')}`
  const redis = new Redis(`redis://:${secrets.REDIS_PASSWORD}@${place('redis', 6379)}`)
  await expect.poll(() => redis.exists(published), { timeout: 10_000 }).toBe(1)
  redis.disconnect()
  await compose.running.get('core')?.[0]?.stop()
  const id = randomUUID()
  expect((await send(id, { apiKey: other })).status).toBe(202)
  await compose.running.get('core')?.[0]?.start()
  await expect.poll(() => find(id), { timeout: 20_000 }).toMatchObject({ id })
})

test('the event passed through Kafka, and its rate limit is in Redis', async () => {
  const kafka = await createKafkaLog(kafkaAs('core', secrets.KAFKA_PASSWORD))
  const bounds = await kafka.offsets(TOPICS.raw.name)
  await kafka.close()
  expect(bounds).toHaveLength(TOPICS.raw.partitions)
  expect(bounds.reduce((sum, { lastStableOffset: next }) => sum + next, 0)).toBe(5)
  const redis = new Redis(`redis://:${secrets.REDIS_PASSWORD}@${place('redis', 6379)}`)
  const keys = await redis.dbsize()
  redis.disconnect()
  expect(keys).toBeGreaterThan(0)
})

test('the collector may append to Kafka, and not read, create topics or change rights; nobody else is let in', async () => {
  const own = kafkaAs('collector', secrets.KAFKA_COLLECTOR_PASSWORD)
  const denied = /TOPIC_AUTHORIZATION_FAILED|CLUSTER_AUTHORIZATION_FAILED/
  const stop = new AbortController()
  const failure = Promise.withResolvers<unknown>()
  const log = await createKafkaLog({ ...own, onError: failure.resolve })
  const options = { from: new Map([[0, 0]]), signal: stop.signal, maxRecords: 10, minIntervalMs: 0 }
  const read = (async () => {
    for await (const batch of log.batches(TOPICS.raw.name, options)) return batch
    return undefined
  })()
  expect(String(await Promise.race([failure.promise, read]))).toMatch(denied)
  stop.abort()
  await read
  await expect(
    createKafkaTopics(own, [{ name: 'of-the-collector', partitions: 1 }]),
  ).rejects.toThrow(denied)
  await expect(grantKafkaAppend(own, 'collector', ['of-the-collector'])).rejects.toThrow(denied)
  const wrong = kafkaAs('collector', secrets.KAFKA_PASSWORD)
  await expect(createKafkaLog(wrong)).rejects.toThrow('Authentication failed')
  const anonymous = await createKafkaLog({ brokers: own.brokers })
  await expect(anonymous.offsets(TOPICS.raw.name)).rejects.toThrow()
  await anonymous.close()
  await log.close()
})

test('a client with the token of /redis cannot flush Redis, forge keys or read cached results; Sluice itself sends no forbidden command', async () => {
  const admin = new Redis(`redis://:${secrets.REDIS_PASSWORD}@${place('redis', 6379)}`)
  try {
    await admin.set('of somebody else', 'private')
    const denied = await admin.acl('LOG')
    expect(denied).toEqual([])
    const known = (await admin.keys('sluice:key:*')).sort()
    expect(known.length).toBeGreaterThan(0)
    expect(await admin.exists(REDIS_KEYS.cachedResultsByExpiry)).toBe(1)
    const scripts = [
      "return redis.call('FLUSHALL')",
      "return redis.call('GET', 'of somebody else')",
      "return redis.call('SET', 'sluice:key:made-up', '{}')",
      `return redis.call('DEL', '${known[0]}')`,
      `return redis.call('EXISTS', '${REDIS_KEYS.cachedResultsByExpiry}')`,
    ]
    for (const script of scripts) {
      const answer = await fetch(`${compose.url('core', 4000)}/redis`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secrets.SLUICE_REDIS_TOKEN}` },
        body: JSON.stringify(['EVAL', script, '0']),
      })
      expect(answer.status).toBe(400)
      expect(await answer.text()).toMatch(/NOPERM this script is not among those/)
    }
    expect(await admin.get('of somebody else')).toBe('private')
    expect((await admin.keys('sluice:key:*')).sort()).toEqual(known)
  } finally {
    admin.disconnect()
  }
})

test('when one worker is killed, the other one continues', async () => {
  await compose.running.get('worker')?.[0]?.kill()
  const id = randomUUID()
  await send(id)
  await expect.poll(() => find(id), { timeout: 30_000 }).toMatchObject({ id })
})

test('a sign-in link created in the container opens the dashboard under its public name only', async () => {
  const { login_url: link } = JSON.parse(await sluice('login', '--json'))
  expect(link).toContain(`${PUBLIC}/login#token=`)
  const token = new URLSearchParams(new URL(link).hash.slice(1)).get('token')
  const answer = await browse('/login', new URL(PUBLIC).host, { token })
  expect(answer.status).toBe(204)
  expect(answer.headers['set-cookie']?.[0]).toContain('; Secure')
  expect(await browse('/', new URL(PUBLIC).host)).toMatchObject({
    status: 200,
    body: expect.stringContaining('<div id="app">'),
  })
  expect((await browse('/', 'other.example.test')).status).toBe(421)
})

test('on SIGTERM every Sluice process exits cleanly within the grace period of Docker', async () => {
  for (const name of ['collector', 'edge', 'worker', 'core']) {
    const began = Date.now()
    await Promise.all(compose.running.get(name)?.map((each) => each.stop()) ?? [])
    expect(Date.now() - began).toBeLessThan(20_000)
  }
})

async function sluice(...args: string[]): Promise<string> {
  const { code, out } = await compose.exec('core', ['node', 'cli/main.ts', ...args])
  if (code !== 0) throw new Error(out)
  return out
}

async function key(scope: string): Promise<string> {
  return JSON.parse(await sluice('key', 'create', '--tenant', 'shop', '--scope', scope, '--json'))
    .key
}

/** As a proxy passes it on: `fetch` would not let us say which host was asked. */
/** By GET, or by POST with a body in JSON as the page of a sign-in link sends it. */
async function browse(path: string, host: string, body?: object) {
  const asked = request(`${compose.url('core', 4000)}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { host, ...(body && { 'content-type': 'application/json', 'x-sluice-sign-in': '1' }) },
  })
  asked.end(body && JSON.stringify(body))
  const [response] = (await once(asked, 'response')) as [IncomingMessage]
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}

function kafkaAs(username: string, password: string | undefined) {
  return { brokers: [place('kafka', 9092)], username, password: password ?? '' }
}

interface SendOptions {
  service?: string
  idempotencyKey?: string
  apiKey?: string
}

function send(
  id: string,
  { service = 'collector', idempotencyKey, apiKey = write }: SendOptions = {},
): Promise<Response> {
  return fetch(`${compose.url(service, 8787)}/v1/events`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    },
    body: JSON.stringify({ event_id: id, event: 'composed', user_id: 'u1' }),
  })
}

async function ask(query: string, variables: object) {
  const answer = await fetch(`${compose.url('core', 4000)}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${read}`, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  return (await answer.json()) as { data: Record<string, unknown> }
}

async function find(id: string) {
  return (await ask('query ($id: ID!) { event(id: $id) { id name } }', { id })).data.event
}

async function count(name: string) {
  const [startTime, endTime] = [Date.now() - 3_600_000, Date.now() + 3_600_000].map((at) =>
    new Date(at).toISOString(),
  )
  const query = `query ($name: String!, $startTime: DateTime!, $endTime: DateTime!) {
    metrics(name: $name, startTime: $startTime, endTime: $endTime, interval: TOTAL) { value } }`
  const { data } = await ask(query, { name, startTime, endTime })
  return (data.metrics as { value: number }[])[0]?.value
}

function place(service: string, port: number): string {
  return new URL(compose.url(service, port)).host
}
