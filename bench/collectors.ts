import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ARMS, type Arm, type ArmName, startShared } from './collectors/arms.ts'
import { createEvents } from './collectors/event.ts'
import { percentile } from './lib/load.ts'
import { cpuSeconds } from './lib/machine.ts'
import { medians, printReport, runArms } from './lib/run-arms.ts'
import { type TimedLoad, timedLoad } from './lib/timed-load.ts'

/**
 * One event in one request: Sluice next to a plain collector in Go and one in Node, all into one Kafka broker with acks
 * from all replicas, and Sluice with its log in Postgres. CPU of all processes up to the acknowledgement. With --rate,
 * requests start at that rate whatever the responses do. Fails unless every accepted event is found once.
 */
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    'warm-up': { type: 'string', default: '3' },
    rounds: { type: 'string', default: '2' },
    rate: { type: 'string' },
    connections: { type: 'string', default: '64' },
    arms: { type: 'string', default: ARMS.join(',') },
    json: { type: 'boolean', default: false },
  },
})
const READY_MS_MAX = 30_000
const rate = options.rate === undefined ? undefined : Number(options.rate)

interface Figure {
  requests_per_s: number
  p50_ms: number
  p95_ms: number
  p99_ms: number
  /** CPU of all processes, until the last response. */
  cpu_s_per_million: number
  /** The same until the events were found in the log, or in the event table of the embedded arm. */
  cpu_s_per_million_found: number
  /** Due at the rate, but not sent before the end. */
  dropped: number
}

interface Run {
  figure: Figure
  byProcess: Record<string, number>
}

const names = options.arms.split(',') as ArmName[]
const unknown = names.filter((name) => !ARMS.includes(name))
if (unknown.length > 0) throw new Error(`no arm ${unknown}; there are ${ARMS.join(', ')}`)

let series = Math.floor(Date.now() / 1000)
const shared = await startShared((step) => options.json || process.stderr.write(`${step}\n`))
try {
  // The broker is shared, and compiles its code only once.
  await run(names[0] as ArmName)
  const describe = ({ figure }: Run) =>
    `${figure.requests_per_s.toFixed(0)} requests/s, ${figure.cpu_s_per_million.toFixed(0)} CPU s per million`
  report(
    await runArms(
      names,
      { rounds: Number(options.rounds), describe: options.json ? undefined : describe },
      run,
    ),
  )
} finally {
  await shared.stop()
}

async function run(name: ArmName): Promise<Run> {
  const arm = await shared.start(name)
  return measure(name, arm).finally(() => arm.stop())
}

async function measure(name: ArmName, arm: Arm): Promise<Run> {
  const events = createEvents(series++)
  const load: TimedLoad = {
    url: `${arm.url}/v1/events`,
    headers: { Authorization: `Bearer ${arm.key}`, 'Content-Type': 'application/json' },
    connections: Number(options.connections),
    body: events.body,
    first: 0,
    seconds: Number(options['warm-up']),
    rate,
  }
  await waitUntilAccepted(load)
  const warm = await timedLoad(load)
  const before = cpuOf(arm)
  const { next, times, seconds, dropped } = await timedLoad({
    ...load,
    first: warm.next,
    seconds: Number(options.seconds),
  })
  const after = cpuOf(arm)
  const found = await arm.count(events, next)
  const later = cpuOf(arm)
  const wrong = found.reduce((count, times) => count + (times === 1 ? 0 : 1), 0)
  if (wrong > 0)
    throw new Error(`${name}: ${wrong} of ${next} accepted events were not found exactly once`)
  const perMillion = (until: Record<string, number>, process: string) =>
    (((until[process] ?? 0) - (before[process] ?? 0)) / times.length) * 1e6
  const total = (until: Record<string, number>) =>
    Object.keys(until).reduce((sum, process) => sum + perMillion(until, process), 0)
  return {
    figure: {
      requests_per_s: times.length / seconds,
      p50_ms: percentile(times, 50),
      p95_ms: percentile(times, 95),
      p99_ms: percentile(times, 99),
      cpu_s_per_million: total(after),
      cpu_s_per_million_found: total(later),
      dropped,
    },
    byProcess: Object.fromEntries(
      Object.keys(after).map((each) => [each, perMillion(after, each)]),
    ),
  }
}

/** The first look-ups of a key may fail where everything has only just started. */
async function waitUntilAccepted({ url, headers }: TimedLoad): Promise<void> {
  const body = createEvents(series++).body(0)
  const deadline = Date.now() + READY_MS_MAX
  for (;;) {
    const response = await fetch(url, {
      method: 'POST',
      headers,
      body,
      signal: AbortSignal.timeout(READY_MS_MAX),
    })
    const text = await response.text()
    if (response.status === 202) return
    if (Date.now() > deadline) throw new Error(`not ready: ${response.status} ${text}`)
    await sleep(100)
  }
}

function cpuOf({ processes }: Arm): Record<string, number> {
  return Object.fromEntries(
    Object.entries(processes).map(([name, pid]) => [name, cpuSeconds(pid)] as const),
  )
}

function report(runs: ReadonlyMap<ArmName, readonly Run[]>): void {
  const arms = new Map(
    [...runs].map(([name, each]) => [
      name,
      {
        ...medians(each.map(({ figure }) => figure)),
        by_process: medians(each.map(({ byProcess }) => byProcess)),
      },
    ]),
  )
  const go = arms.get('go')?.cpu_s_per_million
  printReport(options.json, {
    data: { arms: Object.fromEntries(arms) },
    title: `${options.seconds} s an arm on ${options.connections} connections${rate ? ` at ${rate} requests/s` : ''}, median of ${options.rounds} rounds`,
    rows: [
      [
        'arm',
        'requests/s',
        'p50 / p95 / p99 ms',
        'CPU s/M',
        'of go',
        'found',
        'dropped',
        'by process',
      ],
      ...[...arms].map(([name, arm]) => [
        name,
        arm.requests_per_s.toFixed(0),
        [arm.p50_ms, arm.p95_ms, arm.p99_ms].map((ms) => ms.toFixed(1)).join(' / '),
        arm.cpu_s_per_million.toFixed(0),
        go ? (arm.cpu_s_per_million / go).toFixed(2) : '',
        arm.cpu_s_per_million_found.toFixed(0),
        arm.dropped.toFixed(0),
        Object.entries(arm.by_process)
          .map(([process, cpu]) => `${process} ${cpu.toFixed(0)}`)
          .join(', '),
      ]),
    ],
  })
}
