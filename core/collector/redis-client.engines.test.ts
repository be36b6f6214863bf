import { afterAll, beforeAll, expect, test } from 'vitest'
import { TooLargeForRedisError } from '../../edge/admission/redis/redis.ts'
import { startTestRedis, type TestRedis } from '../../tests/lib/redis-server.ts'
import { createRedisConnection, type RedisConnection } from '../db/redis-connection.ts'
import { createRedisClient } from './redis-client.ts'

let server: TestRedis
let connection: RedisConnection
beforeAll(async () => {
  server = await startTestRedis()
  connection = createRedisConnection({
    url: server.url,
    limits: { redisInFlightCommandsMax: 2_500 },
  })
  await connection.ready(5_000)
})
afterAll(async () => {
  await connection?.close()
  await server?.remove()
})

test('a reply that came in time is read, however long this process was busy before', async () => {
  const client = createRedisClient(connection, 100)
  const reply = client.get('nothing')
  // Behind the one that sends.
  setImmediate(() => {
    const until = performance.now() + 300
    while (performance.now() < until);
  })
  expect(await reply).toEqual([null])
})

test('of more commands than the connection takes some are sent, and the others fail without being an outage', async () => {
  const client = createRedisClient(connection, 10_000)
  const outcomes = await Promise.allSettled(
    Array.from({ length: 4_000 }, () => client.get('nothing')),
  )
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected')
  expect(outcomes.length - failed.length).toBe(2_000)
  for (const { reason } of failed) expect(reason).toBeInstanceOf(TooLargeForRedisError)
  expect(await client.get('nothing')).toEqual([null])
})

test('an error of Redis is thrown and never returned as a result, also inside a list', async () => {
  const client = createRedisClient(connection, 10_000)
  const script = { text: "return redis.error_reply('REFUSED by the script')" }
  await expect(client.run(script, [], [])).rejects.toThrow('REFUSED by the script')
  const list = { text: "return { 1, redis.error_reply('REFUSED in the list') }" }
  await expect(client.run(list, [], [])).rejects.toThrow('REFUSED in the list')
  await connection.send([['set', 'a-text', 'a']], 1_000)
  await expect(
    client.run({ text: "return redis.call('incr', KEYS[1])" }, ['a-text'], []),
  ).rejects.toThrow('not an integer')
})
