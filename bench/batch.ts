import { parseArgs } from 'node:util'
import { mintApiKey } from '../contract/api-key.ts'
import { startWorkerd } from '../edge/testing/runtimes.ts'
import { startStubGateway } from '../edge/testing/stub-gateway.ts'
import { closedLoop } from './lib/load.ts'
import { cpuSeconds, median, residentMiB, table } from './lib/machine.ts'

/**
 * Batches of 500 events through the edge (authenticated, validated, limited, stamped, answered one by one) with a
 * publisher that takes everything at once, beside JSON.parse + JSON.stringify of the same bodies in the same workerd.
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
const figures: Record<Arm, { rate: number; cpu: number }[]> = { floor: [], edge: [] }
try {
  for (const arm of ['floor', 'edge'] as const) await run(arm, 60)
  for (let round = 0; round < Number(options.rounds); round++)
    for (const arm of round % 2 ? (['edge', 'floor'] as const) : (['floor', 'edge'] as const))
      figures[arm].push(await run(arm, BATCHES))
  report()
} finally {
  await workerd.stop()
  await gateway.close()
}

async function run(arm: Arm, batches: number) {
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
      if (JSON.parse(body ?? '').accepted !== EVENTS) throw new Error(`not all taken: ${body}`)
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

function report(): void {
  const ratioOf = (of: (figure: { rate: number; cpu: number }) => number) =>
    median(figures.edge.map((edge, i) => of(edge) / of(figures.floor[i] ?? edge)))
  const ratio = ratioOf(({ rate }) => rate)
  const cpuRatio = 1 / ratioOf(({ cpu }) => cpu)
  const arms = (['floor', 'edge'] as const).map((arm) => ({
    arm,
    rate: Math.round(median(figures[arm].map((f) => f.rate))),
    cpu: median(figures[arm].map((f) => f.cpu)),
  }))
  if (options.json) {
    console.log(JSON.stringify({ ratio, cpuRatio, arms, rss: residentMiB(workerd.pid) }))
    return
  }
  console.log(
    `${BATCHES} batches of ${EVENTS} events an arm, in one workerd, median of ${options.rounds} rounds`,
  )
  console.log(
    table([
      ['arm', 'events/s', 'CPU µs an event'],
      ...arms.map(({ arm, rate, cpu }) => [
        arm === 'floor' ? 'JSON.parse + JSON.stringify' : 'Sluice edge',
        rate.toLocaleString('en'),
        cpu.toFixed(2),
      ]),
    ]),
  )
  console.log(`edge / floor: ${ratio.toFixed(2)} by rate, ${cpuRatio.toFixed(2)} by CPU`)
}
