import { createRedis } from '../redis.ts'
import { createUpstashGate } from '../upstash-gate.ts'
import { forgetLate } from '../within.ts'
import { serveGate } from './far-gate.ts'

/** The gate on Redis in workerd, for its suite. */
let serve: ReturnType<typeof serveGate> | undefined

export default {
  fetch(request: Request, env: { REDIS_URL_REST: string; REDIS_TOKEN: string }) {
    const place = { url: env.REDIS_URL_REST, token: env.REDIS_TOKEN, msMax: 10_000 }
    serve ??= serveGate(createUpstashGate(createRedis(place, forgetLate), true))
    return serve(request)
  },
}
