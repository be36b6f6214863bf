import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { LIMITS } from '../contract/limits.ts'
import { TOPICS } from '../contract/log/topics.ts'
import { readConfig } from '../core/config.ts'
import { createTopics, openLog } from '../core/log/open.ts'
import { type CoreProcess, startCore } from '../tests/lib/core-process.ts'
import { startEngines } from '../tools/engines/engines.ts'
import { type FlightRecord, flights } from './lib/flights.ts'
import {
  type BenchPostgres,
  cpuSeconds,
  keepToCores,
  machineCpuSeconds,
  median,
  table,
  withPostgres,
} from './lib/machine.ts'
import { stagingInsert } from './lib/staging-insert.ts'

/**
 * Workers as processes, from Kafka into Postgres (read, decode, validate, dedupe, rows, rollups, position), beside plain
 * SQL that only stores: COPY of the same rows, decoded already, into a staging table and INSERT … ON CONFLICT from there.
 * A lane is a connection that writes, and so a core of Postgres: two workers can only be faster where one leaves cores idle.
 * Arms are interleaved, forth and back, each from an empty database and topic after a checkpoint; an arm counts only if
 * all its events are found, in the rollups too.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '400000' },
    rounds: { type: 'string', default: '4' },
    arm: { type: 'string', default: '' },
    /** Each worker is kept to so many, as on a small machine of its own. */
    'worker-cores': { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(options.events)
/** Of the events; from here on it counts, so that nothing that was read ahead does. */
const WARM_SHARE = 0.2
const FLOOR = 'staging COPY + INSERT'
const ONE = 'one worker, one lane'

interface Figure {
  rate: number
  /** Cores that we kept busy, all our processes together. */
  cores: number
  /** Cores that somebody else kept busy meanwhile: a figure is worth most where this is 0. */
  others: number
  /** CPU seconds a million events. */
  node: number
  postgres: number
  kafka: number
}
interface Arm {
  postgres: BenchPostgres
  url: string
  records: readonly FlightRecord[]
  broker: number
  env: Record<string, string>
}

const home = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
const figures = new Map<string, Figure[]>()
const arms: Record<string, (arm: Arm) => Promise<Figure>> = {
  [FLOOR]: plainSql,
  [ONE]: (arm) => work(arm, { workers: 1, lanes: 1 }),
  'two workers, one lane each': (arm) => work(arm, { workers: 2, lanes: 1 }),
  'one worker, two lanes': (arm) => work(arm, { workers: 1, lanes: 2 }),
  'two workers, two lanes each': (arm) => work(arm, { workers: 2, lanes: 2 }),
}
await withPostgres(async (postgres) => {
  const engines = await startEngines({ home, kafka: { brokers: 1, topics: false } })
  try {
    const { brokers, pids } = engines.kafka ?? { brokers: [], pids: [] }
    const records = flights(EVENTS)
    const names = Object.keys(arms).filter((name) => name.includes(options.arm))
    for (let round = 0; round < Number(options.rounds); round++)
      for (const name of round % 2 ? [...names].reverse() : names) {
        const url = await postgres.fresh()
        const env = {
          SLUICE_LOG_DRIVER: 'kafka',
          KAFKA_BROKERS: brokers.join(','),
          SLUICE_KAFKA_TOPIC_PREFIX: `${round}.${names.indexOf(name)}.`,
        }
        const arm = { postgres, url, records, broker: pids[0] as number, env }
        const figure = await (arms[name] as (arm: Arm) => Promise<Figure>)(arm)
        await balance(url, name)
        await postgres.forget(url)
        figures.set(name, [...(figures.get(name) ?? []), figure])
        if (!options.json)
          process.stderr.write(
            `round ${round + 1} · ${name}: ${Math.round(figure.rate)} events/s, ${figure.cores.toFixed(1)} cores ours, ${figure.others.toFixed(1)} others'\n`,
          )
      }
  } finally {
    await engines.stop()
    rmSync(home, { recursive: true, force: true })
  }
})
report()

async function plainSql({ postgres, url, records, broker }: Arm): Promise<Figure> {
  await addTenant(url)
  const prepared = await stagingInsert(url, records, LIMITS.logBatchRecordsMax)
  await postgres.checkpoint()
  const stop = watch([process.pid], postgres.pid, broker)
  await prepared.go()
  const figure = stop(EVENTS)
  await prepared.close()
  return figure
}

/**
 * The workers share the partitions out while the topic is empty; then they are kept from writing by a lock on the
 * positions, until all events are there to be read.
 */
async function work(arm: Arm, counts: { workers: number; lanes: number }): Promise<Figure> {
  const { postgres, url, records, broker } = arm
  const env = { ...arm.env, SLUICE_WORKER_CONCURRENCY: String(counts.lanes) }
  await addTenant(url)
  const { log: config } = readConfig(env)
  await createTopics(config)
  const log = await openLog(config, url)
  const client = new pg.Client(url)
  await client.connect()
  const workers: CoreProcess[] = []
  const releases: (() => void)[] = []
  try {
    for (let n = 0; n < counts.workers; n++)
      workers.push(await startCore({ roles: ['worker'], databaseUrl: url, env }))
    await until(async () => {
      const { rows } = await client.query(
        'SELECT count(*)::int AS held FROM log_lease WHERE worker_id IS NOT NULL GROUP BY worker_id',
      )
      return (
        rows.length === counts.workers &&
        rows.every(({ held }) => held === TOPICS.raw.partitions / counts.workers)
      )
    })
    const cores = Number(options['worker-cores'])
    if (cores > 0) for (const { pid } of workers) releases.push(keepToCores(pid, cores))
    await client.query('BEGIN')
    await client.query('SELECT FROM log_position FOR UPDATE')
    for (let i = 0; i < records.length; i += LIMITS.logAppendRecordsMax)
      await log.append(TOPICS.raw.name, records.slice(i, i + LIMITS.logAppendRecordsMax))
    await postgres.checkpoint()
    await client.query('COMMIT')
    const warm = await untilApplied(client, EVENTS * WARM_SHARE)
    const stop = watch(
      workers.map(({ pid }) => pid),
      postgres.pid,
      broker,
    )
    const all = await untilApplied(client, EVENTS)
    return stop(all - warm)
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    for (const release of releases) release()
    await client.end()
    await log.close()
  }
}

function watch(pids: readonly number[], postgres: number, broker: number) {
  const cpu = () => ({
    node:
      pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0) -
      (pids.includes(process.pid) ? childrenOf() : 0),
    postgres: cpuSeconds(postgres),
    kafka: cpuSeconds(broker),
    machine: machineCpuSeconds(),
  })
  /** Postgres and Kafka are ours too, where we are the one that writes. */
  const childrenOf = () => cpuSeconds(postgres) + cpuSeconds(broker)
  const before = cpu()
  const began = performance.now()
  return (events: number): Figure => {
    const seconds = (performance.now() - began) / 1000
    const after = cpu()
    const spent = (what: keyof typeof before) => after[what] - before[what]
    const ours = spent('node') + spent('postgres') + spent('kafka')
    return {
      rate: events / seconds,
      cores: ours / seconds,
      others: Math.max(0, spent('machine') - ours) / seconds,
      node: (spent('node') / events) * 1e6,
      postgres: (spent('postgres') / events) * 1e6,
      kafka: (spent('kafka') / events) * 1e6,
    }
  }
}

/** @returns how many were applied when it was seen */
async function untilApplied(client: pg.Client, events: number): Promise<number> {
  let applied = 0
  await until(async () => {
    const { rows } = await client.query(
      'SELECT sum(next_offset)::float8 AS applied FROM log_position WHERE topic = $1',
      [TOPICS.raw.name],
    )
    applied = rows[0].applied
    return applied >= events
  })
  return applied
}

async function until(holds: () => Promise<boolean>, msMax = 120_000): Promise<void> {
  const deadline = Date.now() + msMax
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`it took longer than ${msMax / 1000} s`)
    await sleep(20)
  }
}

async function addTenant(url: string): Promise<void> {
  await ask(url, "INSERT INTO tenant (slug) VALUES ('bench')")
}

async function balance(url: string, name: string): Promise<void> {
  const [found] = await ask(
    url,
    `SELECT (SELECT count(*)::int FROM event) AS stored,
            (SELECT coalesce(sum(count), 0)::int FROM rollup_15m) AS rolled`,
  )
  const { stored, rolled } = found as { stored: number; rolled: number }
  if (stored !== EVENTS || rolled !== (name === FLOOR ? 0 : EVENTS))
    throw new Error(`${name}: of ${EVENTS} events ${stored} are stored and ${rolled} rolled up`)
}

async function ask(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

function report(): void {
  const floor = figures.get(FLOOR) ?? []
  const one = figures.get(ONE) ?? []
  const summary = [...figures].map(([name, all]) => {
    const typical = (what: keyof Figure) => median(all.map((figure) => figure[what]))
    // Of arms of the same round, so that what the machine did meanwhile cancels out.
    const of = (base: readonly Figure[]) =>
      median(all.map(({ rate }, i) => rate / (base[i]?.rate ?? rate)))
    return {
      name,
      rate: Math.round(typical('rate')),
      ofSql: of(floor),
      ofOne: of(one),
      cores: typical('cores'),
      others: typical('others'),
      node: typical('node'),
      postgres: typical('postgres'),
      kafka: typical('kafka'),
    }
  })
  if (options.json) {
    console.log(JSON.stringify({ events: EVENTS, arms: summary }))
    return
  }
  console.log(
    `\n${EVENTS.toLocaleString('en')} flights an arm, median of ${options.rounds} rounds; CPU in seconds per million events`,
  )
  console.log(
    table([
      [
        'arm',
        'events/s',
        'of SQL',
        'of one',
        'cores',
        'others',
        'CPU node',
        'CPU postgres',
        'CPU kafka',
      ],
      ...summary.map((s) => [
        s.name,
        String(s.rate),
        s.ofSql.toFixed(2),
        s.ofOne.toFixed(2),
        s.cores.toFixed(1),
        s.others.toFixed(1),
        s.node.toFixed(1),
        s.postgres.toFixed(1),
        s.kafka.toFixed(1),
      ]),
    ]),
  )
}
