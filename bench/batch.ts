import { parseArgs } from 'node:util'
import { mintApiKey } from '../contract/api-key.ts'
import { startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { closedLoop } from './lib/load.ts'
import { cpuSeconds, residentMiB } from './lib/machine.ts'
import { medianRatio, medians, printReport, runArms } from './lib/run-arms.ts'

/**
 * Batches of 500 events through the edge (authenticated, rate limited, validated, stamped, with a result for each event)
 * and a publisher that accepts them at once, next to JSON.parse + JSON.stringify of the same bodies in the same workerd.
 */
const { values: options } = parseArgs({
  options: {
    batches: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '6' },
    json: { type: 'boolean', default: false },
  },
})
const BATCHES = Number(options.batches)
const EVENTS = 500
const ARMS = { floor: '/floor', edge: '/v1/events' } as const
type Arm = keyof typeof ARMS

const gateway = await startStubGateway()
const workerd = await startWorkerd(gateway, 'bench/lib/batch-worker.ts')
const key = mintApiKey('sec')
const NAMES = ['floor', 'edge'] as const
try {
  for (const arm of NAMES) await run(arm, 60)
  report(await runArms(NAMES, { rounds: Number(options.rounds) }, (arm) => run(arm, BATCHES)))
} finally {
  await workerd.stop()
  await gateway.close()
}

interface Figure {
  /** Events a second. */
  rate: number
  /** CPU microseconds an event. */
  cpu: number
}

async function run(arm: Arm, batches: number): Promise<Figure> {
  const before = { cpu: cpuSeconds(workerd.pid), at: performance.now() }
  const sent = await closedLoop(
    {
      url: `${workerd.url}${ARMS[arm]}`,
      headers: { Authorization: `Bearer ${key}` },
      connections: 2,
      body: batch,
    },
    batches,
  )
  const seconds = (performance.now() - before.at) / 1000
  const cpu = cpuSeconds(workerd.pid) - before.cpu
  const bad = sent.find(({ status }) => status !== 202)
  if (bad) throw new Error(`${arm}: ${bad.status} ${bad.body}`)
  if (arm === 'edge')
    for (const { body } of sent)
      if (JSON.parse(body ?? '').accepted !== EVENTS) throw new Error(`not all accepted: ${body}`)
  return { rate: (batches * EVENTS) / seconds, cpu: (cpu / (batches * EVENTS)) * 1e6 }
}

function batch(i: number): string {
  const events = Array.from({ length: EVENTS }, (_, k) => ({
    event: 'page_view',
    user_id: `u${(i * EVENTS + k) % 1000}`,
    page: '/pricing',
    timestamp: Date.now(),
    referrer: 'https://example.com/',
    properties: { plan: 'team', seats: k, trial: false },
  }))
  return JSON.stringify(events)
}

function report(figures: ReadonlyMap<Arm, readonly Figure[]>): void {
  const [floor, edge] = [figures.get('floor') ?? [], figures.get('edge') ?? []]
  const ratio = medianRatio(edge, floor, 'rate')
  const cpuRatio = 1 / medianRatio(edge, floor, 'cpu')
  const arms = NAMES.map((arm) => {
    const { rate, cpu } = medians(figures.get(arm) ?? [])
    return { arm, rate: Math.round(rate), cpu }
  })
  printReport(options.json, {
    data: { ratio, cpuRatio, arms, rss: residentMiB(workerd.pid) },
    title: `${BATCHES} batches of ${EVENTS} events an arm, in one workerd, median of ${options.rounds} rounds`,
    rows: [
      ['arm', 'events/s', 'CPU µs an event'],
      ...arms.map(({ arm, rate, cpu }) => [
        arm === 'floor' ? 'JSON.parse + JSON.stringify' : 'Sluice edge',
        rate.toLocaleString('en'),
        cpu.toFixed(2),
      ]),
    ],
    footer: `edge / floor: ${ratio.toFixed(2)} by rate, ${cpuRatio.toFixed(2)} by CPU`,
  })
}
