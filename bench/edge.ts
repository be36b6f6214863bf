import { parseArgs } from 'node:util'
import { type RunningEdge, startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { closedLoop, percentile } from './lib/load.ts'
import { cpuSeconds, residentMiB } from './lib/machine.ts'
import { medianRatio, medians, printReport, runArms } from './lib/run-arms.ts'

/**
 * Single events through the edge (authenticated, rate limited, normalised, stamped) next to a bare Hono worker that
 * reads the body and makes one fetch; both in workerd and to the same stub, which responds at once.
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

const NAMES = ['bare', 'edge'] as const
try {
  for (const arm of NAMES) await run(arm, edges[arm], 2_000)
  const rounds = Number(options.rounds)
  report(await runArms(NAMES, { rounds }, (arm) => run(arm, edges[arm], REQUESTS)))
} finally {
  for (const edge of Object.values(edges)) await edge.stop()
  await gateway.close()
}

interface Figure {
  /** Requests a second. */
  rate: number
  /** CPU seconds per million requests. */
  cpu: number
  /** Milliseconds. */
  p99: number
}

async function run(arm: Arm, { url, pid }: RunningEdge, requests: number): Promise<Figure> {
  const before = { cpu: cpuSeconds(pid), at: performance.now(), records: gateway.records.length }
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
  const published = gateway.records.length - before.records
  if (failed.length > 0 || published !== requests)
    throw new Error(
      `${arm}: ${failed.length} failed (${failed[0]?.body}), ${published} of ${requests} were published`,
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

/** The stub expects records; the bare worker forwards its body. */
function forStub(i: number): string {
  return JSON.stringify([{ topic: 'events.raw', key: `t:u${i % 1000}`, value: event(i) }])
}

function report(figures: ReadonlyMap<Arm, readonly Figure[]>): void {
  const ratio = medianRatio(figures.get('edge') ?? [], figures.get('bare'), 'rate')
  const arms = NAMES.map((arm) => {
    const { rate, cpu, p99 } = medians(figures.get(arm) ?? [])
    return { arm, rate: Math.round(rate), cpu, p99, rss: residentMiB(edges[arm].pid) }
  })
  printReport(options.json, {
    data: { ratio, arms },
    title: `${REQUESTS.toLocaleString('en')} requests an arm on ${CONNECTIONS} connections, median of ${options.rounds} rounds`,
    rows: [
      ['arm', 'requests/s', 'CPU s/M', 'p99 ms', 'RSS MiB'],
      ...arms.map(({ arm, rate, cpu, p99, rss }) => [
        arm === 'bare' ? 'bare Hono worker' : 'Sluice edge',
        String(rate),
        cpu.toFixed(0),
        p99.toFixed(1),
        rss.toFixed(0),
      ]),
    ],
    footer: `edge / bare: ${ratio.toFixed(2)}`,
  })
}
