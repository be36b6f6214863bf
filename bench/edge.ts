import { parseArgs } from 'node:util'
import { type RunningEdge, startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { closedLoop, percentile } from './lib/load.ts'
import { cpuSeconds, median, residentMiB, table } from './lib/machine.ts'

/**
 * Single events through the edge (authenticated, limited, normalised, stamped) beside a bare Hono worker that
 * reads the body and makes one fetch; both in workerd, both to the same stub, which answers at once.
 */
const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '15000' },
    rounds: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
  },
})
const REQUESTS = Number(options.requests)
const CONNECTIONS = 16

const gateway = await startStubGateway()
const { key } = gateway.addKey({ key_events_per_minute: 1e9, tenant_events_per_minute: 1e9 })
const edges = {
  bare: await startWorkerd(gateway, 'bench/lib/bare-worker.ts'),
  edge: await startWorkerd(gateway),
}
type Arm = keyof typeof edges

const figures: Record<Arm, { rate: number; cpu: number; p99: number }[]> = { bare: [], edge: [] }
try {
  for (const arm of ['bare', 'edge'] as const) await run(arm, edges[arm], 2_000)
  for (let round = 0; round < Number(options.rounds); round++)
    for (const arm of round % 2 ? (['edge', 'bare'] as const) : (['bare', 'edge'] as const))
      figures[arm].push(await run(arm, edges[arm], REQUESTS))
  report()
} finally {
  for (const edge of Object.values(edges)) await edge.stop()
  await gateway.close()
}

async function run(arm: Arm, { url, pid }: RunningEdge, requests: number) {
  const before = { cpu: cpuSeconds(pid), at: performance.now(), taken: gateway.records.length }
  const sent = await closedLoop(
    {
      url: `${url}/v1/events`,
      headers: { Authorization: `Bearer ${key}` },
      connections: CONNECTIONS,
      body: (i) => (arm === 'bare' ? forStub(i) : event(i)),
    },
    requests,
  )
  const seconds = (performance.now() - before.at) / 1000
  const failed = sent.filter(({ status }) => status !== 202)
  const taken = gateway.records.length - before.taken
  if (failed.length > 0 || taken !== requests)
    throw new Error(
      `${arm}: ${failed.length} failed (${failed[0]?.body}), ${taken} of ${requests} were taken`,
    )
  gateway.records.length = 0
  return {
    rate: requests / seconds,
    cpu: ((cpuSeconds(pid) - before.cpu) / requests) * 1e6,
    p99: percentile(
      sent.map(({ ms }) => ms),
      99,
    ),
  }
}

function event(i: number): string {
  return JSON.stringify({
    event: 'page_view',
    user_id: `u${i % 1000}`,
    page: '/pricing',
    timestamp: Date.now(),
    referrer: 'https://example.com/',
  })
}

/** The stub wants records; the bare worker hands on what it gets. */
function forStub(i: number): string {
  return JSON.stringify([{ topic: 'events.raw', key: `t:u${i % 1000}`, value: event(i) }])
}

function report(): void {
  const ratio = median(figures.edge.map(({ rate }, i) => rate / (figures.bare[i]?.rate ?? rate)))
  const summary = (['bare', 'edge'] as const).map((arm) => ({
    arm,
    rate: Math.round(median(figures[arm].map((f) => f.rate))),
    cpu: median(figures[arm].map((f) => f.cpu)),
    p99: median(figures[arm].map((f) => f.p99)),
    rss: residentMiB(edges[arm].pid),
  }))
  if (options.json) {
    console.log(JSON.stringify({ ratio, arms: summary }))
    return
  }
  console.log(
    `${REQUESTS.toLocaleString('en')} requests an arm on ${CONNECTIONS} connections, median of ${options.rounds} rounds`,
  )
  console.log(
    table([
      ['arm', 'requests/s', 'CPU s/M', 'p99 ms', 'RSS MiB'],
      ...summary.map((s) => [
        s.arm === 'bare' ? 'bare Hono worker' : 'Sluice edge',
        String(s.rate),
        s.cpu.toFixed(0),
        s.p99.toFixed(1),
        s.rss.toFixed(0),
      ]),
    ]),
  )
  console.log(`edge / bare: ${ratio.toFixed(2)}`)
}
