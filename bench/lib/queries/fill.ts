import pg from 'pg'
import { createDatabase } from '../../../core/db/database.ts'
import { createPartitions, DAY_MS, DAYS, MONTHS, readToday } from '../../../core/db/partitions.ts'
import { createBackfill } from '../../../core/metrics/backfill.ts'
import { declareMetric } from '../../../core/metrics/declare-metric.ts'
import { parseMetricDefinition } from '../../../core/metrics/metric-definition.ts'

export const TENANT = 'bench'

export interface FillOptions {
  events: number
  days: number
  names: number
  actors: number
  /** Before them, days of which only rollups are held, of this many names. */
  olderDays: number
  olderNames: number
}

export interface Filled {
  /** The first and the last midnight of events, in milliseconds since 1970. */
  startMs: number
  endMs: number
  /** The first midnight of rollups. */
  oldestMs: number
}

/** The second dimension of the first two has 200 values. None has more than 1,000 combinations. */
const METRICS = [
  { name: 'orders', dimensions: ['plan', 'country'] },
  { name: 'revenue', value: 'amount', dimensions: ['device', 'country'] },
  { name: 'premium', filter: { plan: ['plan-0', 'plan-1'] }, dimensions: ['name', 'device'] },
]
/** What is counted of each, as SQL of `event e`. */
const COUNTED = [
  { value: 'e.value', dims: ['plan', 'country'].map(property), where: 'true' },
  {
    value: "(e.properties -> 'amount')::float8",
    dims: ['device', 'country'].map(property),
    where: 'true',
  },
  {
    value: 'e.value',
    dims: ['e.name', property('device')],
    where: "e.properties ->> 'plan' IN ('plan-0', 'plan-1')",
  },
]

function property(name: string): string {
  return `(e.properties ->> '${name}')`
}

/**
 * Events of the last days with the rollups of their names and of three declared metrics, as workers would have left
 * them, ending yesterday at midnight. Names and countries differ in frequency; values have four magnitudes. A day is four
 * statements; some 40,000 events a second.
 * @param url of an empty, migrated database
 */
export async function fillMonth(url: string, options: FillOptions): Promise<Filled> {
  const { events, days, names, actors, olderDays, olderNames } = options
  const pool = new pg.Pool({
    connectionString: url,
    max: 3,
    options: '-c timezone=UTC -c work_mem=256MB',
  })
  const today = await readToday(pool)
  const startOf = (day: number) => new Date(day * DAY_MS).toISOString()
  await pool.query(`INSERT INTO tenant (slug) VALUES ('${TENANT}')`)
  await pool.query(
    `INSERT INTO series (tenant_id, metric, created_at)
     SELECT tenant_id, 'name_' || n, now() - interval '2 years' FROM tenant, generate_series(0, $1::int - 1) n`,
    [names],
  )
  const metricIds = await declareMetrics(url, pool)
  const partitionsOf = (table: string) => createPartitions({ pool, table, unit: MONTHS })
  const rollups = [partitionsOf('rollup_15m'), partitionsOf('metric_rollup_15m')]
  const eventDays = createPartitions({ pool, table: 'event', unit: DAYS, isCompact: true })
  for (let day = today - days - olderDays; day < today - days; day++) {
    for (const months of rollups) await months.ensure([MONTHS.numberOf(day * DAY_MS)])
    await pool.query(OLDER_DAY, [startOf(day), olderNames])
  }
  for (let day = today - days; day < today; day++) {
    await eventDays.ensure([day])
    for (const months of rollups) await months.ensure([MONTHS.numberOf(day * DAY_MS)])
    await pool.query(INSERT_DAY, [startOf(day), Math.round(events / days), names, actors])
    const table = `event_${DAYS.suffixOf(day)}`
    await Promise.all([
      pool.query(rollUpDay(table)),
      ...COUNTED.map((counted, i) => pool.query(countDay(table, metricIds[i] as number, counted))),
    ])
  }
  // Sketches begin with the events.
  await pool.query('INSERT INTO sketch_progress SELECT tenant_id, $1, $1 FROM tenant', [
    startOf(today - days),
  ])
  const end = startOf(today)
  await pool.query(
    `INSERT INTO watermark (tenant_id, partition, highest_at) SELECT tenant_id, 0, $1::timestamptz + interval '1 day' FROM tenant`,
    [end],
  )
  await pool.query("UPDATE log_lease SET applied_through = 'infinity'")
  await pool.query("UPDATE finality SET published_applied_through = 'infinity'")
  await pool.query('VACUUM (ANALYZE)')
  await pool.end()
  return {
    startMs: (today - days) * DAY_MS,
    endMs: today * DAY_MS,
    oldestMs: (today - days - olderDays) * DAY_MS,
  }
}

/** Before there are events, so that no history is left to be counted. */
async function declareMetrics(url: string, pool: pg.Pool): Promise<number[]> {
  const db = createDatabase(url, { max: 1 })
  const { tenant_id } = await db.selectFrom('tenant').select('tenant_id').executeTakeFirstOrThrow()
  const ids: number[] = []
  for (const definition of METRICS)
    ids.push(
      (await declareMetric(db, tenant_id, parseMetricDefinition(definition), { kind: 'cli' }))
        .metricId,
    )
  await db.destroy()
  const backfill = createBackfill(pool, new AbortController().signal)
  while ((await backfill.step()) === 'done');
  return ids
}

const INSERT_DAY = `
INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, value, properties,
                   key_id, log_partition, log_offset)
SELECT tenant_id,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
       $1::timestamptz::date, at, at, 'name_' || floor($3::int * power(random(), 3))::int,
       'actor-' || floor($4::int * random())::int, round(exp(random() * 9)::numeric, 2)::float8,
       jsonb_build_object('plan', 'plan-' || floor(random() * 5)::int, 'country', 'c' || floor(200 * power(random(), 2))::int,
                          'device', 'device-' || floor(random() * 4)::int, 'tier', 'tier-' || floor(random() * 10)::int,
                          'amount', floor(random() * 1000)::int),
       '01940000-0000-7000-8000-000000000000', i % 6, i
  FROM tenant, (SELECT i, md5($1 || i) AS h, $1::timestamptz + make_interval(secs => 86400.0 * i / $2::int) AS at
                  FROM generate_series(0, $2::int - 1) i) e`

const OLDER_DAY = `
INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
SELECT s.tenant_id, s.series_id, b, 7, 7, 700, 1, 500, 0
  FROM series s, generate_series($1::timestamptz, $1::timestamptz + interval '23:45', interval '15 minutes') b
 WHERE s.metric = ANY (SELECT 'name_' || n FROM generate_series(0, $2::int - 1) n)`

const SUMS = (value: string) =>
  `count(*), count(${value}), coalesce(sum(${value}), 0), min(${value}), max(${value}), 0`

const rollUpDay = (table: string) => `
INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch'), ${SUMS('e.value')}
  FROM ${table} e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name GROUP BY 1, 2, 3 ORDER BY 3, 2`

/** Grouped first and then looked up: a join by arrays for each event would take longer than all else. */
const countDay = (
  table: string,
  metricId: number,
  { value, dims, where }: (typeof COUNTED)[number],
) => `
WITH sums (bucket, dims, count, value_count, sum, min, max, late_count) AS MATERIALIZED (
  SELECT date_bin('15 minutes', e.occurred_at, 'epoch'), ARRAY[${dims}], ${SUMS(value)} FROM ${table} e WHERE ${where} GROUP BY 1, 2
), added AS (
  INSERT INTO metric_series (tenant_id, metric_id, dims_hash, dims, last_used_on)
  SELECT t.tenant_id, ${metricId}, sha256(convert_to(to_jsonb(d.dims)::text, 'UTF8')), d.dims, now()::date
    FROM tenant t, (SELECT DISTINCT dims FROM sums) d
   WHERE NOT EXISTS (SELECT FROM metric_series s WHERE s.metric_id = ${metricId} AND s.dims = d.dims)
  RETURNING tenant_id, series_id, dims
), known AS (
  SELECT tenant_id, series_id, dims FROM metric_series WHERE metric_id = ${metricId} UNION ALL SELECT * FROM added
)
INSERT INTO metric_rollup_15m (tenant_id, series_id, bucket, backfilled, count, value_count, sum, min, max, late_count)
SELECT k.tenant_id, k.series_id, s.bucket, false, s.count, s.value_count, s.sum, s.min, s.max, 0
  FROM sums s JOIN known k ON k.dims = s.dims ORDER BY s.bucket, k.series_id`
