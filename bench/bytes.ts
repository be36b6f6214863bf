import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { TOPICS } from '../contract/log/topics.ts'
import { createBatcher } from '../core/gateway/produce/batcher.ts'
import type { Log } from '../core/log/log.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { createWorker } from '../core/worker/worker.ts'
import { currentLsn, databaseBytes, type WalPart, walBytes } from './lib/bytes.ts'
import { type BenchPostgres, withPostgres } from './lib/machine.ts'
import { pageView, pageViewRequest } from './lib/page-views.ts'
import { printReport } from './lib/run-arms.ts'

/**
 * How many bytes an event costs in Postgres, embedded log included: on disk by table and index, and of WAL by what it
 * was written for. Page views of 300 bytes, in requests of 500 and one by one, through the gateway's batcher.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '100000' },
    /** Of single events. */
    singles: { type: 'string', default: '9000' },
    rate: { type: 'string', default: '300' },
    arm: { type: 'string', default: '' },
    /** Bytes for each table and index instead of sums. */
    full: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

interface Arm {
  events: number
  perRequest: number
  /** Requests a second; without it as fast as they are confirmed. */
  rate?: number
}
const ARMS: Record<string, Arm> = {
  'requests of 500': { events: Number(options.events), perRequest: 500 },
  'single events': { events: Number(options.singles), perRequest: 1, rate: Number(options.rate) },
}

interface Figure {
  events: number
  /** Of one event as JSON, as a client sends it. */
  eventBytes: number
  appends: number
  batches: number
  /** By table or index, bytes an event. */
  disk: Record<string, number>
  eventTable: number
  /** By what it was written for, bytes an event. */
  wal: Record<string, number>
  walTotal: number
}

const figures: Record<string, Figure> = {}
await withPostgres(async (postgres) => {
  for (const [name, arm] of Object.entries(ARMS))
    if (name.includes(options.arm)) figures[name] = await measure(postgres, arm)
})
report()

async function measure(postgres: BenchPostgres, arm: Arm): Promise<Figure> {
  const url = await postgres.createDatabase()
  const admin = new pg.Client(postgres.adminUrlOf(url))
  await admin.connect()
  await admin.query("CREATE EXTENSION pg_walinspect; INSERT INTO tenant (slug) VALUES ('bench')")
  const log = await createPostgresLog({ url, onError: console.error })
  const stored = countStored()
  const stop = new AbortController()
  const worker = createWorker({
    databaseUrl: url,
    log,
    concurrency: 1,
    logger: { info() {}, warn: console.error, error: console.error },
    onWritten: stored.add,
  })
  const running = worker.run(stop.signal)
  // Days, series and shapes are there, as they are in a system that runs.
  const warmUp = 100
  for (let i = 0; i < warmUp; i++) await log.append(TOPICS.raw.name, pageViewRequest(i, 1))
  await stored.until(warmUp)
  await sleep(1_000)
  await postgres.checkpoint()
  const before = { bytes: await databaseBytes(admin), lsn: await currentLsn(admin) }
  const batchesBefore = stored.batches
  const appends = await send(log, arm, warmUp)
  await stored.until(warmUp + arm.events)
  const end = await currentLsn(admin)
  stop.abort()
  await running
  const wal = await walBytes(admin, before.lsn, end)
  const disk = difference(await databaseBytes(admin), before.bytes, arm.events)
  const { rows } = await admin.query('SELECT count(*)::int AS n FROM event')
  if (rows[0].n !== warmUp + arm.events) throw new Error(`${rows[0].n} events are stored`)
  await log.close()
  await admin.end()
  await postgres.dropDatabase(url)
  return {
    events: arm.events,
    eventBytes: meanEventBytes(),
    appends,
    batches: stored.batches - batchesBefore,
    disk,
    eventTable: sum(Object.entries(disk).filter(([part]) => part.startsWith('event'))),
    wal: perEvent(wal, arm.events),
    walTotal: sum(wal.map(({ part, bytes }) => [part, bytes] as const)) / arm.events,
  }
}

function countStored() {
  let events = 0
  const count = {
    batches: 0,
    add({ stored }: { stored: number }) {
      events += stored
      count.batches++
    },
    async until(wanted: number) {
      for (const deadline = Date.now() + 120_000; events < wanted; ) {
        if (Date.now() > deadline) throw new Error(`${events} of ${wanted} events were stored`)
        await sleep(20)
      }
    },
  }
  return count
}

/** @returns how many appends the log was asked for */
async function send(log: Log, arm: Arm, first: number): Promise<number> {
  let appends = 0
  const batcher = createBatcher({ log, onAppend: () => appends++ })
  const pending: Promise<unknown>[] = []
  const requests = arm.events / arm.perRequest
  const start = performance.now()
  for (let n = 0; n < requests; ) {
    const due = arm.rate ? Math.floor(((performance.now() - start) / 1000) * arm.rate) : n + 4
    for (; n < Math.min(due, requests); n++)
      pending.push(
        batcher.add(TOPICS.raw.name, pageViewRequest(first + n * arm.perRequest, arm.perRequest)),
      )
    if (arm.rate) await sleep(1)
    else await Promise.all(pending.splice(0))
  }
  await Promise.all(pending)
  await batcher.close()
  return appends
}

function difference(
  after: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
  events: number,
): Record<string, number> {
  const parts = [...after].map(
    ([name, bytes]) => [name, (bytes - (before.get(name) ?? 0)) / events] as const,
  )
  return Object.fromEntries(parts.filter(([, bytes]) => bytes > 0).sort(([, a], [, b]) => b - a))
}

function perEvent(wal: readonly WalPart[], events: number): Record<string, number> {
  return Object.fromEntries(wal.map(({ part, bytes }) => [part, bytes / events]))
}

function sum(parts: Iterable<readonly [string, number]>): number {
  let total = 0
  for (const [, bytes] of parts) total += bytes
  return total
}

function meanEventBytes(): number {
  const now = Date.now()
  const bytes = Array.from({ length: 1_000 }, (_, i) =>
    Buffer.byteLength(JSON.stringify(pageView(i, now))),
  )
  return bytes.reduce((a, b) => a + b) / bytes.length
}

function report(): void {
  const rows: string[][] = [['arm', 'event', 'bytes an event']]
  for (const [name, figure] of Object.entries(figures)) {
    rows.push([name, figure.eventBytes.toFixed(0), ''])
    rows.push(['  event table with indexes', '', figure.eventTable.toFixed(0)])
    for (const [part, bytes] of Object.entries(figure.disk))
      rows.push([`    ${part}`, '', bytes.toFixed(1)])
    rows.push(['  WAL', '', figure.walTotal.toFixed(0)])
    for (const [part, bytes] of Object.entries(figure.wal))
      rows.push([`    ${part}`, '', bytes.toFixed(1)])
    rows.push([`  appends ${figure.appends}, batches ${figure.batches}`, '', ''])
  }
  printReport(options.json, { data: { arms: figures }, title: '', rows })
}
