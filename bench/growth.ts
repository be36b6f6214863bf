import { parseArgs } from 'node:util'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase } from '../core/db/database.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { flightsInParts } from './lib/flights.ts'
import { type GrowingDatabase, openGrowing, TENANT } from './lib/growth-fill.ts'
import { measureQueries, type QueryFigure } from './lib/growth-queries.ts'
import { type BenchPostgres, cpuSeconds, withPostgres } from './lib/machine.ts'
import { medians, table } from './lib/run-arms.ts'
import { consume } from './lib/scale-writes.ts'

/**
 * What the events that are stored already cost, at so many a day: the worker's whole path with new flights, and the
 * main queries, at each size of one database that grows. Flat is what costs at most 1.2 times as much as at the first
 * size. In full size: --rows 1000000,5000000,10000000,25000000,50000000.
 */
const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000,5000000' },
    'per-day': { type: 'string', default: '250000' },
    /** New flights a round. */
    events: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
})
const SIZES = options.rows.split(',').map(Number)
const EVENTS = Number(options.events)
const FLAT = 1.2

interface WriteFigure {
  /** Events a second. */
  rate: number
  /** CPU seconds per million events. */
  nodeCpu: number
  postgresCpu: number
  /** Bytes an event, the embedded log's own not included. */
  wal: number
}

interface SizeFigure {
  rows: number
  writes: WriteFigure
  queries: Record<string, QueryFigure>
}

const figures: SizeFigure[] = []
await withPostgres(async (postgres) => {
  const url = await postgres.createDatabase()
  const growing = await openGrowing(url)
  const db = createDatabase(url, { role: 'sluice_read', statementMs: 600_000 })
  for (const size of SIZES) {
    const rows = await growing.growTo(size, Number(options['per-day']))
    if (!options.json) process.stderr.write(`${rows.toLocaleString('en')} rows\n`)
    const writes: WriteFigure[] = []
    for (let round = 0; round < Number(options.rounds); round++)
      writes.push(await measureWrites(postgres, url, growing))
    figures.push({ rows, writes: medians(writes), queries: await measureQueries(db, postgres.pid) })
  }
  await db.destroy()
  await growing.close()
})
report()

/** @throws unless every event is stored */
async function measureWrites(
  postgres: BenchPostgres,
  url: string,
  { client }: GrowingDatabase,
): Promise<WriteFigure> {
  const log = await createPostgresLog({ url, onError: console.error })
  const naming = (i: number) => ({ tenant: TENANT, name: `flight_${i % 12}` })
  for (const records of flightsInParts(EVENTS, 1_000, naming))
    await log.append(TOPICS.raw.name, records)
  await postgres.checkpoint()
  const state = async () => {
    const { rows } = await client.query<{ wal: number; stored: number }>(
      `SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 AS wal,
              (SELECT coalesce(sum(stored), 0)::float8 FROM outcome_total_by_partition) AS stored`,
    )
    return rows[0] ?? { wal: 0, stored: 0 }
  }
  const before = await state()
  const cpu = { node: process.cpuUsage(), postgres: cpuSeconds(postgres.pid) }
  const began = performance.now()
  await consume({ url, log, events: EVENTS, retentionDays: 3_650 })
  const seconds = (performance.now() - began) / 1000
  const node = process.cpuUsage(cpu.node)
  const postgresCpu = ((cpuSeconds(postgres.pid) - cpu.postgres) / EVENTS) * 1e6
  await log.close()
  const after = await state()
  if (after.stored - before.stored !== EVENTS)
    throw new Error(`of ${EVENTS} events ${after.stored - before.stored} are stored`)
  return {
    rate: EVENTS / seconds,
    nodeCpu: (node.user + node.system) / EVENTS,
    postgresCpu,
    wal: (after.wal - before.wal) / EVENTS,
  }
}

function report(): void {
  const [first] = figures
  if (!first) return
  const lines = linesOf(figures).map(([title, values, slower]) => {
    const ratio = slower(values.at(-1) ?? 0, values[0] ?? 0)
    return { title, values, ratio, flat: ratio <= FLAT }
  })
  if (options.json) {
    console.log(JSON.stringify({ figures, lines }))
    return
  }
  console.log(
    table([
      ['', ...figures.map(({ rows }) => `${rows.toLocaleString('en')} rows`), '×', ''],
      ...lines.map(({ title, values, ratio, flat }) => [
        title,
        ...values.map((value) => value.toLocaleString('en', { maximumFractionDigits: 1 })),
        ratio.toFixed(2),
        flat ? 'flat' : 'grows',
      ]),
    ]),
  )
  console.log(
    `\n${EVENTS.toLocaleString('en')} new flights a round, median of ${options.rounds}; queries by the CPU of Postgres, and below in ms as a client waits. × is the last size to the first: flat up to ${FLAT}.`,
  )
}

type Line = [title: string, values: number[], slower: (last: number, first: number) => number]

function linesOf(all: readonly SizeFigure[]): Line[] {
  const more = (last: number, first: number) => last / first
  const of = (value: (figure: SizeFigure) => number) => all.map(value)
  return [
    ['worker, events/s', of(({ writes }) => writes.rate), (last, first) => first / last],
    ['CPU node, s per million', of(({ writes }) => writes.nodeCpu), more],
    ['CPU postgres, s per million', of(({ writes }) => writes.postgresCpu), more],
    ['WAL, bytes an event', of(({ writes }) => writes.wal), more],
    ...Object.keys(all[0]?.queries ?? {}).flatMap((title): Line[] => [
      [`${title}: CPU ms`, of(({ queries }) => queries[title]?.cpuMs ?? Number.NaN), more],
      ['  ms', of(({ queries }) => queries[title]?.ms ?? Number.NaN), more],
    ]),
  ]
}
