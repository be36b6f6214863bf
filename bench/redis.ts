import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { type RunningEdge, startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { startTestBridge } from '../tests/lib/redis-bridge.ts'
import { startTestRedis } from '../tests/lib/redis-server.ts'
import { closedLoop, percentile } from './lib/load.ts'
import { cpuSeconds } from './lib/machine.ts'
import { medians, printReport, runArms } from './lib/run-arms.ts'

/**
 * What rate limits and idempotency leases in Redis cost the edge, compared to its memory: requests to the
 * bridge, Redis commands and milliseconds a request. Everything runs on one machine; add your network
 * latency for each request to the bridge.
 */
const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '2000' },
    connections: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
})
const REQUESTS = Number(options.requests)

const redis = await startTestRedis()
const bridge = await startTestBridge(redis.url)
const direct = new Redis(redis.url)
const gateway = await startStubGateway()
const { key } = gateway.addKey({ key_events_per_minute: 1e9, tenant_events_per_minute: 1e9 })
const inMemory = {
  SLUICE_GATEWAY_URL: gateway.url,
  SLUICE_GATEWAY_USERNAME: gateway.username,
  SLUICE_GATEWAY_PASSWORD: gateway.password,
}
const inRedis = { ...inMemory, SLUICE_REDIS_REST_URL: bridge.url, SLUICE_REDIS_TOKEN: bridge.token }
const edges = {
  memory: await startWorkerd(gateway, undefined, inMemory),
  redis: await startWorkerd(gateway, undefined, inRedis),
}
const ARMS = {
  'in memory': { edge: edges.memory, isIdempotent: false },
  'in Redis': { edge: edges.redis, isIdempotent: false },
  'in memory, Idempotency-Key': { edge: edges.memory, isIdempotent: true },
  'in Redis, Idempotency-Key': { edge: edges.redis, isIdempotent: true },
}
type ArmName = keyof typeof ARMS
const NAMES = Object.keys(ARMS) as ArmName[]

interface Figure {
  p50: number
  p99: number
  rate: number
  /** Requests to the bridge a request. */
  trips: number
  commands: number
  /** Share of requests decided by the failure policy, because Redis took longer than 250 ms. */
  without: number
  edgeCpu: number
}
let runs = 0
/** Requests without Redis before the current run. */
const withoutBefore = new Map<RunningEdge, number>()
try {
  for (const name of NAMES) await run(name, 500)
  const rounds = Number(options.rounds)
  report(await runArms(NAMES, { rounds }, (name) => run(name, REQUESTS)))
} finally {
  for (const edge of Object.values(edges)) await edge.stop()
  await gateway.close()
  direct.disconnect()
  await bridge.close()
  await redis.remove()
}

async function run(name: ArmName, requests: number): Promise<Figure> {
  const { edge, isIdempotent } = ARMS[name]
  const run = runs++
  const headers: Record<string, string> = { Authorization: `Bearer ${key}` }
  const body = () => JSON.stringify({ event: 'page_view', user_id: 'u1', page: '/pricing' })
  const before = { trips: bridge.requests, commands: await commandsOf(), cpu: cpuSeconds(edge.pid) }
  const start = performance.now()
  const sent = await closedLoop(
    {
      url: `${edge.url}/v1/events`,
      headers: (i) => (isIdempotent ? { ...headers, 'Idempotency-Key': `${run}-${i}` } : headers),
      connections: Number(options.connections),
      body,
    },
    requests,
  )
  const failed = sent.find(({ status }) => status !== 202)
  if (failed) throw new Error(`${failed.status}: ${failed.body}`)
  const response = await fetch(`${edge.url}/healthz`)
  const { redis: health } = (await response.json()) as { redis?: { requests_without: number } }
  const without = (health?.requests_without ?? 0) - (withoutBefore.get(edge) ?? 0)
  withoutBefore.set(edge, health?.requests_without ?? 0)
  const times = sent.map(({ ms }) => ms)
  gateway.records.length = 0
  return {
    p50: percentile(times, 50),
    p99: percentile(times, 99),
    rate: requests / ((performance.now() - start) / 1000),
    trips: (bridge.requests - before.trips) / requests,
    commands: ((await commandsOf()) - before.commands) / requests,
    without: without / requests,
    edgeCpu: ((cpuSeconds(edge.pid) - before.cpu) / requests) * 1e6,
  }
}

/** Commands sent by clients; commands inside scripts are not billed. */
async function commandsOf(): Promise<number> {
  const stats = await direct.info('commandstats')
  const calls = [...stats.matchAll(/cmdstat_(eval|evalsha):calls=(\d+)/g)]
  return calls.reduce((sum, [, , count]) => sum + Number(count), 0)
}

function report(figures: ReadonlyMap<ArmName, readonly Figure[]>): void {
  const arms = NAMES.map((name) => ({ name, ...medians(figures.get(name) ?? []) }))
  printReport(options.json, {
    data: { arms },
    rows: [
      [
        'limits and leases',
        'p50 ms',
        'p99 ms',
        'requests/s',
        'to the bridge',
        'commands',
        'without',
        'edge CPU s/M',
      ],
      ...arms.map((arm) => [
        arm.name,
        arm.p50.toFixed(2),
        arm.p99.toFixed(1),
        arm.rate.toFixed(0),
        arm.trips.toFixed(2),
        arm.commands.toFixed(2),
        arm.without.toFixed(3),
        arm.edgeCpu.toFixed(0),
      ]),
    ],
  })
}
