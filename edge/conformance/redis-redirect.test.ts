import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createRedis } from '../admission/redis/redis.ts'
import { abortOnTimeout } from '../lib/timeout.ts'

/** Redirects the first request to the same URL, and answers the next one. */
let requests = 0
let status = 307
const server = createServer((request, response) => {
  requests++
  if (requests === 1) response.writeHead(status, { Location: request.url }).end()
  else response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"result":["a"]}')
})
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

it.each([301, 302, 303, 307, 308])(
  'the edge follows no redirect %i of Redis over REST, because its token would go with it',
  async (redirect) => {
    requests = 0
    status = redirect
    const { port } = server.address() as AddressInfo
    const settings = { url: `http://127.0.0.1:${port}/redis`, token: 'secret', msMax: 10_000 }
    const redis = createRedis(settings, abortOnTimeout)
    await expect(redis.get('key')).rejects.toThrow(`Redis over REST answered ${redirect}`)
    expect(requests).toBe(1)
    expect(await redis.get('key')).toEqual(['a'])
  },
)
