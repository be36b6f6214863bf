import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { type RunningEdge, startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { startTestBridge } from '../tests/lib/redis-bridge.ts'
import { startTestRedis } from '../tests/lib/redis-server.ts'
import { closedLoop, percentile } from './lib/load.ts'
import { cpuSeconds, median, table } from './lib/machine.ts'

/**
 * What it costs an edge to keep limits and leases in Redis instead of in its memory: requests to our
 * bridge, commands in Redis and milliseconds for each request. All of it on one machine, so the
 * journey itself takes nothing; add your own for each request to the bridge.
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
const ARMS = [
  { name: 'in memory', edge: edges.memory, once: false },
  { name: 'in Redis', edge: edges.redis, once: false },
  { name: 'in memory, Idempotency-Key', edge: edges.memory, once: true },
  { name: 'in Redis, Idempotency-Key', edge: edges.redis, once: true },
]

interface Figures {
  p50: number
  p99: number
  rate: number
  trips: number
  commands: number
  without: number
  edgeCpu: number
}
const figures = ARMS.map((): Figures[] => [])
let runs = 0
/** Requests that went by the policy, for Redis took longer than 250 ms. */
const withoutBefore = new Map<RunningEdge, number>()
try {
  for (const arm of ARMS) await run(arm, 500)
  for (let round = 0; round < Number(options.rounds); round++)
    for (const i of round % 2 ? [3, 2, 1, 0] : [0, 1, 2, 3])
      figures[i]?.push(await run(ARMS[i] as (typeof ARMS)[number], REQUESTS))
  report()
} finally {
  for (const edge of Object.values(edges)) await edge.stop()
  await gateway.close()
  direct.disconnect()
  await bridge.close()
  await redis.remove()
}

async function run({ edge, once }: { edge: RunningEdge; once: boolean }, requests: number) {
  const run = runs++
  const headers: Record<string, string> = { Authorization: `Bearer ${key}` }
  const body = () => JSON.stringify({ event: 'page_view', user_id: 'u1', page: '/pricing' })
  const before = { trips: bridge.requests, commands: await commandsOf(), cpu: cpuSeconds(edge.pid) }
  const start = performance.now()
  const sent = await closedLoop(
    {
      url: `${edge.url}/v1/events`,
      headers: (i) => (once ? { ...headers, 'Idempotency-Key': `${run}-${i}` } : headers),
      connections: Number(options.connections),
      body,
    },
    requests,
  )
  const failed = sent.find(({ status }) => status !== 202)
  if (failed) throw new Error(`${failed.status}: ${failed.body}`)
  const said = await (await fetch(`${edge.url}/healthz`)).json()
  const { redis: health } = said as { redis?: { requests_without: number } }
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

/** Commands that clients sent; those inside scripts are not paid for. */
async function commandsOf(): Promise<number> {
  const stats = await direct.info('commandstats')
  const calls = [...stats.matchAll(/cmdstat_(eval|evalsha):calls=(\d+)/g)]
  return calls.reduce((sum, [, , count]) => sum + Number(count), 0)
}

function report(): void {
  const rows = ARMS.map(({ name }, i) => {
    const of = (what: keyof Figures) => median((figures[i] ?? []).map((each) => each[what]))
    return {
      name,
      p50: of('p50'),
      p99: of('p99'),
      rate: of('rate'),
      trips: of('trips'),
      commands: of('commands'),
      without: of('without'),
      edgeCpu: of('edgeCpu'),
    }
  })
  if (options.json) {
    console.log(JSON.stringify({ arms: rows }))
    return
  }
  console.log(
    table([
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
      ...rows.map((row) => [
        row.name,
        row.p50.toFixed(2),
        row.p99.toFixed(1),
        row.rate.toFixed(0),
        row.trips.toFixed(2),
        row.commands.toFixed(2),
        row.without.toFixed(3),
        row.edgeCpu.toFixed(0),
      ]),
    ]),
  )
}
