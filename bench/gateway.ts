import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { TOPICS } from '../contract/log/topics.ts'
import { readConfig } from '../core/config.ts'
import { GATEWAY_USER } from '../core/gateway/users.ts'
import type { Log } from '../core/log/log.ts'
import { openLog } from '../core/log/open.ts'
import { SLUICE_GATEWAY_PASSWORD, startCore } from '../tests/lib/core-process.ts'
import { startEngines } from '../tools/engines/engines.ts'
import { flights } from './lib/flights.ts'
import { cpuSeconds, withPostgres } from './lib/machine.ts'
import { sendAll } from './lib/plain-http.ts'
import type { RawRun } from './lib/raw-kafkajs.ts'
import { medianRatio, medians, printReport, runArms } from './lib/run-arms.ts'

/**
 * The gateway next to kafkajs' `sendBatch`: the same records in the same batches into the same Kafka, with acks from all
 * replicas. The gateway receives them as from the edge: HTTP, JSON, credentials, and a response with every offset.
 * Arms are interleaved in alternating order; a run fails unless the log has grown by exactly its records.
 */
const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' },
    events: { type: 'string', default: '200000' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(options.events)
const SHAPES = [
  { batch: 500, inFlight: 8, events: EVENTS },
  { batch: 50, inFlight: 32, events: EVENTS },
  { batch: 1, inFlight: 64, events: Math.ceil(EVENTS / 5) },
  { batch: 1, inFlight: 256, events: Math.ceil(EVENTS / 5) },
]

const HEADERS = {
  Authorization: `Basic ${Buffer.from(`${GATEWAY_USER}:${SLUICE_GATEWAY_PASSWORD}`).toString('base64')}`,
  'Content-Type': 'application/json',
}

interface Figure {
  rate: number
  /** CPU seconds per million records. */
  sender: number
  broker: number
  load: number
}

const home = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
await withPostgres(async (postgres) => {
  const engines = await startEngines({ home, kafka: { brokers: 1 } })
  try {
    const databaseUrl = await postgres.createDatabase()
    const { brokers, pids } = engines.kafka ?? { brokers: [], pids: [] }
    const env = { SLUICE_LOG_DRIVER: 'kafka', KAFKA_BROKERS: brokers.join(',') }
    const log = await openLog(readConfig(env).log, databaseUrl)
    const gateway = await startCore({ roles: ['gateway'], databaseUrl, env })
    const broker = pids[0] as number
    try {
      for (const shape of SHAPES) {
        const raw = await startRaw({ brokers, topic: TOPICS.raw.name, ...shape })
        const bodies = requestsOf(shape)
        const arms = {
          'kafkajs sendBatch': () => measure(log, shape.events, raw.pid, broker, raw.go),
          gateway: () =>
            measure(log, shape.events, gateway.pid, broker, () =>
              sendAll(`${gateway.url}/gateway/produce`, HEADERS, bodies, shape.inFlight),
            ),
        }
        report(shape, await run(arms).finally(raw.end))
      }
    } finally {
      await gateway.stop()
      await log.close()
    }
  } finally {
    await engines.stop()
    rmSync(home, { recursive: true, force: true })
  }
})

function run(arms: Record<string, () => Promise<Figure>>) {
  const describe = options.json ? undefined : ({ rate }: Figure) => `${Math.round(rate)} records/s`
  return runArms(
    Object.keys(arms),
    { rounds: Number(options.rounds), warmUpRounds: 1, describe },
    (name) => (arms[name] as () => Promise<Figure>)(),
  )
}

async function measure(
  log: Log,
  events: number,
  sender: number,
  broker: number,
  go: () => Promise<void>,
): Promise<Figure> {
  const recordsBefore = await countRecords(log)
  const before = {
    sender: cpuSeconds(sender),
    broker: cpuSeconds(broker),
    load: process.cpuUsage(),
  }
  const began = performance.now()
  await go()
  const seconds = (performance.now() - began) / 1000
  const load = process.cpuUsage(before.load)
  const grown = (await countRecords(log)) - recordsBefore
  if (grown !== events)
    throw new Error(`${events} records were sent, but the log has grown by ${grown}`)
  const million = 1e6 / events
  return {
    rate: events / seconds,
    sender: (cpuSeconds(sender) - before.sender) * million,
    broker: (cpuSeconds(broker) - before.broker) * million,
    load: ((load.user + load.system) / 1e6) * million,
  }
}

async function countRecords(log: Log): Promise<number> {
  const bounds = await log.offsets(TOPICS.raw.name)
  return bounds.reduce((sum, { lastStableOffset: next }) => sum + next, 0)
}

async function startRaw(run: RawRun) {
  const script = new URL('./lib/raw-kafkajs.ts', import.meta.url)
  const child = fork(script, [JSON.stringify(run)], {
    env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1', NODE_NO_WARNINGS: '1' },
  })
  await once(child, 'message')
  return {
    pid: child.pid as number,
    async go() {
      child.send('go')
      await once(child, 'message')
    },
    end: () => child.disconnect(),
  }
}

/** The bodies that @upstash/kafka's `produceMany` sends. */
function requestsOf({ batch, events }: (typeof SHAPES)[number]): Buffer[] {
  const { name: topic } = TOPICS.raw
  const sent = flights(events).map(({ key, value }) => ({
    topic,
    key: key.toString(),
    value: value.toString(),
  }))
  const bodies: Buffer[] = []
  for (let i = 0; i < sent.length; i += batch)
    bodies.push(Buffer.from(JSON.stringify(sent.slice(i, i + batch))))
  return bodies
}

function report(
  { batch, inFlight, events }: (typeof SHAPES)[number],
  figures: ReadonlyMap<string, readonly Figure[]>,
): void {
  const [floor] = figures.values()
  const arms = [...figures].map(([name, all]) => {
    const { rate, ...cpu } = medians(all)
    return { name, rate: Math.round(rate), ratio: medianRatio(all, floor, 'rate'), cpu }
  })
  printReport(options.json, {
    data: { batch, inFlight, events, arms },
    title: `\n${events.toLocaleString('en')} records in batches of ${batch}, ${inFlight} in flight, median of ${options.rounds} rounds; CPU in seconds per million`,
    rows: [
      ['arm', 'records/s', 'of kafkajs', 'CPU sender', 'CPU broker', 'CPU load'],
      ...arms.map(({ name, rate, ratio, cpu }) => [
        name,
        String(rate),
        ratio.toFixed(2),
        cpu.sender.toFixed(1),
        cpu.broker.toFixed(1),
        cpu.load.toFixed(1),
      ]),
    ],
  })
}
