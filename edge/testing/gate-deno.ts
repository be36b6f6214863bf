import { createRedis } from '../redis.ts'
import { createUpstashGate } from '../upstash-gate.ts'
import { abortLate } from '../within.ts'
import { serveGate } from './far-gate.ts'

/** The gate on Redis in Deno, for its suite. */
const place = {
  url: Deno.env.get('REDIS_URL_REST') ?? '',
  token: Deno.env.get('REDIS_TOKEN') ?? '',
  msMax: 10_000,
}
const serve = serveGate(createUpstashGate(createRedis(place, abortLate), true))
Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    onListen: ({ port }) => console.log(`gate on http://127.0.0.1:${port}`),
  },
  serve,
)
