import { parseArgs } from 'node:util'
import pg from 'pg'
import { createDatabase } from '../core/db/database.ts'
import { tenantViewer } from '../core/identity/viewer.ts'
import { eventsOverTime } from '../core/queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../core/queries/metrics/metrics-args.ts'
import { createSketchDerivation } from '../core/worker/sketches/derive-sketches.ts'
import { withPostgres } from './lib/machine.ts'
import { fillMonth, TENANT } from './lib/queries-fill.ts'
import { table } from './lib/run-arms.ts'

/**
 * How long metrics of a month take, without the result cache, and beside each plain SQL on the same rows in the same
 * round. In full size: --events 20000000.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    days: { type: 'string', default: '30' },
    names: { type: 'string', default: '200' },
    actors: { type: 'string', default: '50000' },
    rounds: { type: 'string', default: '15' },
    json: { type: 'boolean', default: false },
  },
})
const ROUNDS = Number(options.rounds)

interface Query {
  title: string
  args: Partial<MetricsInput>
  /** The same number; `e` are the events of the month. */
  plain: string
}

const BY_DAY = "date_trunc('day', occurred_at, 'UTC')"
const QUERIES: Query[] = [
  {
    title: 'uniques, 30 days in one',
    args: { aggregate: 'UNIQUES', interval: 'TOTAL' },
    plain: 'SELECT count(DISTINCT actor) FROM e',
  },
  {
    title: 'uniques, 30 days by day',
    args: { aggregate: 'UNIQUES', interval: 'DAY' },
    plain: `SELECT ${BY_DAY}, count(DISTINCT actor) FROM e GROUP BY 1`,
  },
  {
    title: 'uniques, 30 days by day in Kathmandu',
    args: { aggregate: 'UNIQUES', interval: 'DAY', timeZone: 'Asia/Kathmandu' },
    plain: `SELECT ${BY_DAY.replace('UTC', 'Asia/Kathmandu')}, count(DISTINCT actor) FROM e GROUP BY 1`,
  },
  {
    title: 'p95, 30 days in one',
    args: { aggregate: 'P95', interval: 'TOTAL' },
    plain: 'SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY value) FROM e',
  },
  {
    title: 'p95, 30 days by day',
    args: { aggregate: 'P95', interval: 'DAY' },
    plain: `SELECT ${BY_DAY}, percentile_cont(0.95) WITHIN GROUP (ORDER BY value) FROM e GROUP BY 1`,
  },
  {
    title: 'p95 of one name, 30 days by day',
    args: { aggregate: 'P95', interval: 'DAY', name: 'name_3' },
    plain: `SELECT ${BY_DAY}, percentile_cont(0.95) WITHIN GROUP (ORDER BY value) FROM e WHERE name = 'name_3' GROUP BY 1`,
  },
  {
    title: 'uniques by name, 30 days in one',
    args: { aggregate: 'UNIQUES', interval: 'TOTAL', groupBy: ['name'] },
    plain: 'SELECT name, count(DISTINCT actor) FROM e GROUP BY 1',
  },
  {
    title: 'uniques, 30 days by hour',
    args: { aggregate: 'UNIQUES', interval: 'HOUR' },
    plain: "SELECT date_trunc('hour', occurred_at), count(DISTINCT actor) FROM e GROUP BY 1",
  },
  {
    title: 'count of one name, 30 days by day',
    args: { interval: 'DAY', name: 'name_3' },
    plain: `SELECT ${BY_DAY}, count(*) FROM e WHERE name = 'name_3' GROUP BY 1`,
  },
]

await withPostgres(async (postgres) => {
  const url = await postgres.createDatabase()
  const { startMs, endMs } = await fillMonth(url, {
    events: Number(options.events),
    days: Number(options.days),
    names: Number(options.names),
    actors: Number(options.actors),
  })
  const pool = new pg.Pool({ connectionString: url, max: 2, statement_timeout: 600_000 })
  const began = performance.now()
  const derivation = createSketchDerivation({ pool })
  while (!(await derivation.run({ msMax: 600_000 })).isComplete);
  const derivedMs = performance.now() - began
  await pool.query('VACUUM (ANALYZE) sketch')
  const bytes = await readBytes(pool)

  const db = createDatabase(url, { role: 'sluice_read', statementMs: 600_000 })
  const viewer = await tenantViewer(db, { kind: 'SESSION' }, TENANT)
  const range = {
    startTime: new Date(startMs).toISOString(),
    endTime: new Date(endMs).toISOString(),
  }
  const client = await pool.connect()
  await client.query("SET timezone = 'UTC'; SET work_mem = '32MB'; SET jit = off")
  const rows = [['query', 'source', 'p50 ms', 'p95 ms', 'plain SQL p50 ms', 'times faster']]
  const data: Record<string, unknown> = {}
  for (const { title, args, plain } of QUERIES) {
    const [ours, theirs]: [number[], number[]] = [[], []]
    let source = ''
    for (let round = -2; round < ROUNDS; round++) {
      const first = performance.now()
      source = (await eventsOverTime(db, viewer, { name: '*', ...range, ...args })).source
      const second = performance.now()
      // Plain SQL takes long enough to be measured in fewer rounds.
      const isMeasured = round < 5
      if (isMeasured)
        await client.query(
          `WITH e AS NOT MATERIALIZED (
             SELECT * FROM event WHERE tenant_id = ${viewer.tenantId} AND occurred_at >= '${range.startTime}' AND occurred_at < '${range.endTime}')
           ${plain}`,
        )
      const third = performance.now()
      if (round < 0) continue
      ours.push(second - first)
      if (isMeasured) theirs.push(third - second)
    }
    const [p50, p95, sql] = [quantile(ours, 0.5), quantile(ours, 0.95), quantile(theirs, 0.5)]
    data[title] = { source, p50, p95, sql }
    rows.push([
      title,
      source,
      p50.toFixed(1),
      p95.toFixed(1),
      sql.toFixed(1),
      (sql / p50).toFixed(0),
    ])
  }
  client.release()
  await db.destroy()
  await pool.end()
  if (options.json) console.log(JSON.stringify({ derivedMs, bytes, queries: data }))
  else {
    console.log(table(rows))
    console.log(
      `Sketches: ${(derivedMs / 1000).toFixed(1)} s to derive, ${(Number(options.events) / derivedMs).toFixed(0)} k events/s; ` +
        `${(bytes.sketch / 1e6).toFixed(1)} MB beside ${(bytes.event / 1e6).toFixed(1)} MB of events and ${(bytes.rollup / 1e6).toFixed(1)} MB of rollups.`,
    )
  }
})

async function readBytes(pool: pg.Pool) {
  const { rows } = await pool.query<{ parent: string; bytes: number }>(
    `SELECT inhparent::regclass::text AS parent, sum(pg_total_relation_size(inhrelid))::float8 AS bytes
       FROM pg_inherits WHERE inhparent IN ('event'::regclass, 'rollup_15m'::regclass, 'sketch'::regclass) GROUP BY 1`,
  )
  const of = (name: string) => rows.find(({ parent }) => parent === name)?.bytes ?? 0
  return { event: of('event'), rollup: of('rollup_15m'), sketch: of('sketch') }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.ceil(q * (sorted.length - 1))] as number
}
