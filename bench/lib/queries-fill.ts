import pg from 'pg'
import { createPartitions, DAY_MS, DAYS, MONTHS, readToday } from '../../core/db/partitions.ts'

export const TENANT = 'bench'

export interface FillOptions {
  events: number
  days: number
  names: number
  actors: number
}

/**
 * Events of the last days, as a worker would have left them, ending yesterday at midnight; each name half as frequent as
 * the one before it was to begin with, and values over four magnitudes.
 * @param url of an empty, migrated database
 * @returns the first and the last midnight, in milliseconds since 1970
 */
export async function fillMonth(
  url: string,
  { events, days, names, actors }: FillOptions,
): Promise<{ startMs: number; endMs: number }> {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const today = await readToday(pool)
  await pool.query(`INSERT INTO tenant (slug) VALUES ('${TENANT}')`)
  await pool.query(
    `INSERT INTO series (tenant_id, metric, created_at)
     SELECT tenant_id, 'name_' || n, now() - interval '1 year' FROM tenant, generate_series(0, $1::int - 1) n`,
    [names],
  )
  const eventDays = createPartitions({ pool, table: 'event', unit: DAYS, isCompact: true })
  const months = createPartitions({ pool, table: 'rollup_15m', unit: MONTHS })
  for (let day = today - days; day < today; day++) {
    await eventDays.ensure([day])
    await months.ensure([MONTHS.numberOf(day * DAY_MS)])
    const start = new Date(day * DAY_MS).toISOString()
    await pool.query(INSERT_DAY, [start, Math.round(events / days), names, actors])
    await pool.query(ROLL_UP_DAY, [start])
  }
  const end = new Date(today * DAY_MS).toISOString()
  await pool.query(
    `INSERT INTO watermark (tenant_id, partition, highest_at) SELECT tenant_id, 0, $1::timestamptz + interval '1 day' FROM tenant`,
    [end],
  )
  await pool.query("UPDATE log_lease SET applied_through = 'infinity'")
  await pool.query("UPDATE finality SET published_applied_through = 'infinity'")
  await pool.query('VACUUM (ANALYZE)')
  await pool.end()
  return { startMs: (today - days) * DAY_MS, endMs: today * DAY_MS }
}

const INSERT_DAY = `
INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, value, properties,
                   key_id, log_partition, log_offset)
SELECT tenant_id,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
       $1::timestamptz::date, at, at, 'name_' || floor($3::int * power(random(), 3))::int,
       'actor-' || floor($4::int * random())::int, round(exp(random() * 9)::numeric, 2)::float8,
       jsonb_build_object('plan', i % 5, 'country', i % 200),
       '01940000-0000-7000-8000-000000000000', i % 6, i
  FROM tenant, (SELECT i, md5($1 || i) AS h, $1::timestamptz + make_interval(secs => 86400.0 * i / $2::int) AS at
                  FROM generate_series(0, $2::int - 1) i) e`

const ROLL_UP_DAY = `
INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch'), count(*), count(value), sum(value),
       min(value), max(value), 0
  FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name
 WHERE e.received_on = $1::timestamptz::date GROUP BY 1, 2, 3`
