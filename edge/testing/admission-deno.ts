import { abortOnTimeout } from '../lib/timeout.ts'
import { GATE_PLACES, type GatePlaces, openGate } from './admission-on-redis.ts'

/** The gate and the keys on Redis in Deno, for their suites. */
const env = Object.fromEntries(GATE_PLACES.map((name) => [name, Deno.env.get(name) ?? '']))
Deno.serve(
  {
    hostname: '127.0.0.1',
    port: 0,
    onListen: ({ port }) => console.log(`gate on http://127.0.0.1:${port}`),
  },
  openGate(env as unknown as GatePlaces, abortOnTimeout),
)
