import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { createDatabase } from '../core/db/database.ts'
import { tenantViewer } from '../core/identity/viewer.ts'
import { createSketchDerivation } from '../core/worker/sketches/derive-sketches.ts'
import { type BenchPostgres, cpuSeconds, withPostgres } from './lib/machine.ts'
import { type CachedApi, openCachedApi } from './lib/queries/cached.ts'
import { compare } from './lib/queries/compare.ts'
import { type DuckDB, openDuckDB } from './lib/queries/duckdb.ts'
import { fillMonth, TENANT } from './lib/queries/fill.ts'
import { type BenchContext, type BenchQuery, DUCKDB, POSTGRES } from './lib/queries/query.ts'
import { createQuerySet } from './lib/queries/query-set.ts'
import { readBytes } from './lib/queries/read-bytes.ts'
import { table } from './lib/run-arms.ts'

/**
 * How long the queries of a month take, next to plain SQL on the same database and to DuckDB on the same rows as
 * Parquet, in the same rounds; fails unless all three have the same numbers. In full
 * size: node bench/queries.ts --events 20000000 --plain-rounds 1 --json
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    days: { type: 'string', default: '30' },
    names: { type: 'string', default: '200' },
    actors: { type: 'string', default: '50000' },
    'older-days': { type: 'string', default: '335' },
    'older-names': { type: 'string', default: '20' },
    rounds: { type: 'string', default: '20' },
    'plain-rounds': { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const number = (name: Exclude<keyof typeof options, 'json' | 'only'>) => Number(options[name])
const EVENTS = number('events')
const note = (text: string) => process.stderr.write(`${text}\n`)

interface Figures {
  title: string
  source: string
  /** Milliseconds; `before` from 15-minute rows, without hours, days and sketches. */
  p50: number
  p95: number
  /** CPU of this process and of Postgres, which other work on the machine does not change. */
  cpu: number
  before?: number
  cachedP95?: number
  sql: number
  duckdb: number
  goals: { what: string; goalMs: number; p95: number; met: boolean }[]
}

await withPostgres(async (postgres) => {
  const url = await postgres.createDatabase()
  const filling = performance.now()
  const filled = await fillMonth(url, {
    events: EVENTS,
    days: number('days'),
    names: number('names'),
    actors: number('actors'),
    olderDays: number('older-days'),
    olderNames: number('older-names'),
  })
  const fillMs = performance.now() - filling
  note(`filled in ${minutes(fillMs)}`)
  const duckdb = await openDuckDB(url)
  note('written as Parquet')
  const queries = createQuerySet(filled, EVENTS).filter(({ title }) => title.includes(options.only))
  const db = createDatabase(url, { role: 'sluice_read', statementMs: 600_000, max: 5 })
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, TENANT)
  const context = { db, viewer }
  const before = await measureBefore(queries, context)
  const derived = await derive(url)
  note(`derived in ${minutes(derived.ms)}`)
  const api = await openCachedApi(url, db)
  const figures = await measureAll(queries, { postgres, url, context, duckdb, api, before })
  await api.close()
  await db.destroy()
  duckdb.close()
  const bytes = await readBytes(url)
  const goals = figures.flatMap(({ title, goals }) => goals.map((goal) => ({ title, ...goal })))
  if (options.json)
    console.log(
      JSON.stringify({
        events: EVENTS,
        load: loadavg(),
        fillMs,
        derivedMs: derived.ms,
        bytes,
        goals,
        figures,
      }),
    )
  else
    print(
      figures,
      `Filled in ${minutes(fillMs)}, derived in ${minutes(derived.ms)}. ${bytes} Load ${loadavg()[1]?.toFixed(1)}.`,
    )
})

/** Sketches take longer than the rest, so what a query costs without hours and days is measured first. */
async function measureBefore(
  queries: readonly BenchQuery[],
  context: BenchContext,
): Promise<Map<string, number>> {
  const before = new Map<string, number>()
  for (const { title, tolerance, run } of queries) {
    if (tolerance !== undefined) continue
    const times = []
    try {
      for (let round = 0; round < 3; round++) times.push(await timeOf(() => run(context)))
    } catch (error) {
      // The statements of a query have twelve seconds together.
      note(`${title}, from 15-minute rows: ${error}`)
      times.push(Number.POSITIVE_INFINITY)
    }
    before.set(
      title,
      quantile(times.at(-1) === Number.POSITIVE_INFINITY ? times.slice(-1) : times.slice(1), 0.5),
    )
  }
  return before
}

async function derive(url: string): Promise<{ ms: number }> {
  const pool = new pg.Pool({ connectionString: url, max: 2, statement_timeout: 600_000 })
  const began = performance.now()
  const derivation = createSketchDerivation({ pool })
  while (!(await derivation.run({ msMax: 600_000 })).isComplete);
  const ms = performance.now() - began
  await pool.query('VACUUM (ANALYZE) sketch, rollup_long, rollup_15m, metric_rollup_15m')
  await pool.end()
  return { ms }
}

interface Measured {
  postgres: BenchPostgres
  url: string
  context: BenchContext
  duckdb: DuckDB
  api: CachedApi
  before: ReadonlyMap<string, number>
}

async function measureAll(queries: readonly BenchQuery[], measured: Measured): Promise<Figures[]> {
  const client = new pg.Client({
    connectionString: measured.url,
    options: '-c timezone=UTC -c work_mem=64MB -c jit=off',
  })
  await client.connect()
  const figures: Figures[] = []
  for (const query of queries) {
    figures.push(await measure(query, client, measured))
    note(`${query.title}: ${figures.at(-1)?.p95.toFixed(1)} ms`)
  }
  await client.end()
  return figures
}

async function measure(
  query: BenchQuery,
  client: pg.Client,
  { postgres, context, duckdb, api, before }: Measured,
): Promise<Figures> {
  const times = { ours: [] as number[], sql: [] as number[], duckdb: [] as number[] }
  let source = ''
  for (let round = -2; round < number('rounds'); round++) {
    let ours = new Map<string, number>()
    const took = await timeOf(async () => {
      ;({ values: ours, source } = await query.run(context))
    })
    if (round >= 0) times.ours.push(took)
    if (round >= 0 && round < number('plain-rounds')) {
      const [sql, duck] = [new Map<string, number>(), new Map<string, number>()]
      const inSql = async () => {
        for (const text of query.plain(POSTGRES))
          for (const [key, value] of (await client.query({ text, rowMode: 'array' })).rows)
            sql.set(key, Number(value))
      }
      const inDuckDB = async () => {
        for (const text of query.plain(DUCKDB))
          for (const [key, value] of await duckdb.query(text)) duck.set(key, value)
      }
      times.sql.push(await timeOf(inSql))
      times.duckdb.push(await timeOf(inDuckDB))
      compare(`${query.title}: plain SQL and DuckDB`, sql, duck, 1e-9)
      compare(`${query.title}: plain SQL`, ours, sql, query.tolerance ?? 1e-9)
    }
  }
  const cpu = await cpuOf(postgres, () => query.run(context))
  const cached: number[] = []
  if (query.cachedGoalMs !== undefined && query.args)
    for (let round = -5; round < 5 * number('rounds'); round++) {
      const took = await api.request(query.args)
      if (round >= 0) cached.push(took)
    }
  const p95 = quantile(times.ours, 0.95)
  const goal = (what: string, goalMs: number | undefined, p95: number) =>
    goalMs === undefined ? [] : [{ what, goalMs, p95, met: p95 < goalMs }]
  const cachedP95 = cached.length > 0 ? quantile(cached, 0.95) : undefined
  return {
    title: query.title,
    source,
    p50: quantile(times.ours, 0.5),
    p95,
    cpu,
    ...(before.has(query.title) && { before: before.get(query.title) as number }),
    ...(cachedP95 !== undefined && { cachedP95 }),
    sql: quantile(times.sql, 0.5),
    duckdb: quantile(times.duckdb, 0.5),
    goals: [
      ...goal('cold', query.goalMs, p95),
      ...goal('cached', query.cachedGoalMs, cachedP95 ?? Number.POSITIVE_INFINITY),
    ],
  }
}

function print(figures: readonly Figures[], footer: string): void {
  const ms = (value: number | undefined) =>
    value === undefined
      ? ''
      : value === Number.POSITIVE_INFINITY
        ? 'failed'
        : value.toFixed(value < 10 ? 1 : 0)
  console.log(
    table([
      [
        'query',
        'source',
        'p50 ms',
        'p95 ms',
        'cached p95',
        '15-minute rows',
        'plain SQL',
        'DuckDB',
      ],
      ...figures.map((row) => [
        row.title,
        row.source,
        ms(row.p50),
        ms(row.p95),
        ms(row.cpu),
        ms(row.cachedP95),
        ms(row.before),
        ms(row.sql),
        ms(row.duckdb),
      ]),
    ]),
  )
  for (const { title, goals } of figures)
    for (const { what, goalMs, p95, met } of goals)
      console.log(`${met ? 'met    ' : 'not met'}  ${title}, ${what}: ${ms(p95)} of ${goalMs} ms`)
  console.log(footer)
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

/** Milliseconds of one run, on average: ticks of the clock are ten. */
async function cpuOf(postgres: BenchPostgres, work: () => Promise<unknown>): Promise<number> {
  const [node, before] = [process.cpuUsage(), cpuSeconds(postgres.pid)]
  for (let i = 0; i < number('rounds'); i++) await work()
  const { user, system } = process.cpuUsage(node)
  return ((user + system) / 1000 + (cpuSeconds(postgres.pid) - before) * 1000) / number('rounds')
}

function minutes(ms: number): string {
  return `${(ms / 60_000).toFixed(1)} min`
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil(q * (sorted.length - 1))] as number
}
