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
  limitToCores,
  machineCpuSeconds,
  withPostgres,
} from './lib/machine.ts'
import { medianRatio, medians, printReport, runArms } from './lib/run-arms.ts'
import { stagingInsert } from './lib/staging-insert.ts'

/**
 * Workers as processes, from Kafka into Postgres (read, decode, validate, deduplicate, rows, rollups, position), next to
 * plain SQL that only stores: COPY of the same decoded rows into a staging table and INSERT … ON CONFLICT from there.
 * Each partition consumer writes over one connection, and so uses one core of Postgres: two workers can only be faster
 * where one leaves cores idle. Arms are interleaved in alternating order, each run from an empty database and topic after
 * a checkpoint; a run fails unless all its events are found, in the rollups too.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '400000' },
    rounds: { type: 'string', default: '4' },
    arm: { type: 'string', default: '' },
    /** Limits each worker to this many cores, like a small machine. */
    'worker-cores': { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(options.events)
/** Share of the events before the measurement starts, so that records read ahead do not count. */
const WARM_SHARE = 0.2
const FLOOR = 'staging COPY + INSERT'
const ONE_WORKER = 'one worker, concurrency 1'

interface Figure {
  rate: number
  /** Cores that the measured processes keep busy. */
  cores: number
  /** Cores that other processes keep busy meanwhile; best when 0. */
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
const arms: Record<string, (arm: Arm) => Promise<Figure>> = {
  [FLOOR]: plainSql,
  [ONE_WORKER]: (arm) => work(arm, { workers: 1, concurrency: 1 }),
  'two workers, concurrency 1': (arm) => work(arm, { workers: 2, concurrency: 1 }),
  'one worker, concurrency 2': (arm) => work(arm, { workers: 1, concurrency: 2 }),
  'two workers, concurrency 2': (arm) => work(arm, { workers: 2, concurrency: 2 }),
}
await withPostgres(async (postgres) => {
  const engines = await startEngines({ home, kafka: { brokers: 1, topics: false } })
  try {
    const { brokers, pids } = engines.kafka ?? { brokers: [], pids: [] }
    const records = flights(EVENTS)
    const names = Object.keys(arms).filter((name) => name.includes(options.arm))
    const describe = ({ rate, cores, others }: Figure) =>
      `${Math.round(rate)} events/s on ${cores.toFixed(1)} cores, ${others.toFixed(1)} cores busy otherwise`
    const rounds = Number(options.rounds)
    const run = async (name: string, round: number) => {
      const url = await postgres.createDatabase()
      const env = {
        SLUICE_LOG_DRIVER: 'kafka',
        KAFKA_BROKERS: brokers.join(','),
        SLUICE_KAFKA_TOPIC_PREFIX: `${round}.${names.indexOf(name)}.`,
      }
      const arm = { postgres, url, records, broker: pids[0] as number, env }
      const figure = await (arms[name] as (arm: Arm) => Promise<Figure>)(arm)
      await checkBalance(url, name)
      await postgres.dropDatabase(url)
      return figure
    }
    report(await runArms(names, { rounds, describe: options.json ? undefined : describe }, run))
  } finally {
    await engines.stop()
    rmSync(home, { recursive: true, force: true })
  }
})

async function plainSql({ postgres, url, records, broker }: Arm): Promise<Figure> {
  await addTenant(url)
  const prepared = await stagingInsert(url, records, LIMITS.logBatchRecordsMax)
  await postgres.checkpoint()
  const stop = startMeasuring([process.pid], postgres.pid, broker)
  await prepared.go()
  const figure = stop(EVENTS)
  await prepared.close()
  return figure
}

/**
 * The workers divide the partitions while the topic is empty; then a lock on the positions keeps them from writing
 * until all events are in the topic.
 */
async function work(arm: Arm, counts: { workers: number; concurrency: number }): Promise<Figure> {
  const { postgres, url, records, broker } = arm
  const env = { ...arm.env, SLUICE_WORKER_CONCURRENCY: String(counts.concurrency) }
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
        'SELECT count(*)::int AS owned FROM log_lease WHERE worker_id IS NOT NULL GROUP BY worker_id',
      )
      return (
        rows.length === counts.workers &&
        rows.every(({ owned }) => owned === TOPICS.raw.partitions / counts.workers)
      )
    })
    const cores = Number(options['worker-cores'])
    if (cores > 0) for (const { pid } of workers) releases.push(limitToCores(pid, cores))
    await client.query('BEGIN')
    await client.query('SELECT FROM log_position FOR UPDATE')
    for (let i = 0; i < records.length; i += LIMITS.logAppendRecordsMax)
      await log.append(TOPICS.raw.name, records.slice(i, i + LIMITS.logAppendRecordsMax))
    await postgres.checkpoint()
    await client.query('COMMIT')
    const warm = await untilApplied(client, EVENTS * WARM_SHARE)
    const stop = startMeasuring(
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

function startMeasuring(pids: readonly number[], postgres: number, broker: number) {
  const cpu = () => ({
    node:
      pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0) -
      (pids.includes(process.pid) ? engineCpu() : 0),
    postgres: cpuSeconds(postgres),
    kafka: cpuSeconds(broker),
    machine: machineCpuSeconds(),
  })
  /** Postgres and Kafka are children of this process, so they are subtracted where it is the writer. */
  const engineCpu = () => cpuSeconds(postgres) + cpuSeconds(broker)
  const before = cpu()
  const began = performance.now()
  return (events: number): Figure => {
    const seconds = (performance.now() - began) / 1000
    const after = cpu()
    const spent = (what: keyof typeof before) => after[what] - before[what]
    const measured = spent('node') + spent('postgres') + spent('kafka')
    return {
      rate: events / seconds,
      cores: measured / seconds,
      others: Math.max(0, spent('machine') - measured) / seconds,
      node: (spent('node') / events) * 1e6,
      postgres: (spent('postgres') / events) * 1e6,
      kafka: (spent('kafka') / events) * 1e6,
    }
  }
}

/** @returns the number of applied events, at least `events` */
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
    if (Date.now() > deadline) throw new Error(`condition not met within ${msMax / 1000} s`)
    await sleep(20)
  }
}

async function addTenant(url: string): Promise<void> {
  await query(url, "INSERT INTO tenant (slug) VALUES ('bench')")
}

async function checkBalance(url: string, name: string): Promise<void> {
  const [found] = await query(
    url,
    `SELECT (SELECT count(*)::int FROM event) AS stored,
            (SELECT coalesce(sum(count), 0)::int FROM rollup_15m) AS rolled`,
  )
  const { stored, rolled } = found as { stored: number; rolled: number }
  if (stored !== EVENTS || rolled !== (name === FLOOR ? 0 : EVENTS))
    throw new Error(`${name}: of ${EVENTS} events ${stored} are stored and ${rolled} rolled up`)
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

function report(figures: ReadonlyMap<string, readonly Figure[]>): void {
  const results = [...figures].map(([name, all]) => ({
    name,
    ofSql: medianRatio(all, figures.get(FLOOR), 'rate'),
    ofOne: medianRatio(all, figures.get(ONE_WORKER), 'rate'),
    ...medians(all),
  }))
  printReport(options.json, {
    data: { events: EVENTS, arms: results },
    title: `\n${EVENTS.toLocaleString('en')} flights an arm, median of ${options.rounds} rounds; CPU in seconds per million events`,
    rows: [
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
      ...results.map((result) => [
        result.name,
        result.rate.toFixed(0),
        result.ofSql.toFixed(2),
        result.ofOne.toFixed(2),
        result.cores.toFixed(1),
        result.others.toFixed(1),
        result.node.toFixed(1),
        result.postgres.toFixed(1),
        result.kafka.toFixed(1),
      ]),
    ],
  })
}
