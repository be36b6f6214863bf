import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestRedis, type TestRedis } from '../../../tests/lib/redis-server.ts'
import { createRedisConnection, type RedisConnection } from '../../db/redis-connection.ts'
import { createSharedAttempts } from './shared-attempts.ts'

let server: TestRedis
const connections: RedisConnection[] = []
beforeAll(async () => {
  server = await startTestRedis()
  for (let i = 0; i < 2; i++) connections.push(createRedisConnection({ url: server.url }))
  for (const each of connections) await each.ready(5_000)
})
afterAll(async () => {
  for (const each of connections) await each.close()
  await server?.remove()
})

test('two cores of one Redis count the attempts of an address together, and others by themselves', async () => {
  const [one, other] = connections.map((each) => createSharedAttempts(each, 4))
  const take = async (client: string) => [await one?.take(client), await other?.take(client)]
  expect([...(await take('192.0.2.1')), ...(await take('192.0.2.1'))]).toEqual(Array(4).fill(true))
  expect(await take('192.0.2.1')).toEqual([false, false])
  expect(await take('192.0.2.2')).toEqual([true, true])
})

test('while Redis is away the shared count refuses nobody', async () => {
  const away = createRedisConnection({ url: 'redis://127.0.0.1:1' })
  const attempts = createSharedAttempts(away, 1)
  expect([await attempts.take('a'), await attempts.take('a')]).toEqual([true, true])
  await away.close()
})
