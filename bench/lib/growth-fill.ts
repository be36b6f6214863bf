import pg from 'pg'
import { createPartitions, DAY_MS, DAYS, MONTHS, readToday } from '../../core/db/partitions.ts'

export const TENANT = 'bench'

/** A database whose past grows a day at a time. */
export interface GrowingDatabase {
  client: pg.Client
  /** Adds days, each before the oldest one, until so many events are stored. @returns how many there are */
  growTo(events: number, eventsPerDay: number): Promise<number>
  close(): Promise<void>
}

/** @param url of an empty, migrated database */
export async function openGrowing(url: string): Promise<GrowingDatabase> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  const client = new pg.Client(url)
  await client.connect()
  await client.query(`INSERT INTO tenant (slug) VALUES ('${TENANT}')`)
  await client.query(
    `INSERT INTO series (tenant_id, metric, created_at)
     SELECT tenant_id, 'flight_' || n, now() - interval '1 year' FROM tenant, generate_series(0, 11) n`,
  )
  const events = createPartitions({ pool, table: 'event', unit: DAYS })
  const outcomes = createPartitions({ pool, table: 'outcome_minute', unit: DAYS })
  const rollups = createPartitions({ pool, table: 'rollup_15m', unit: MONTHS })
  let day = (await readToday(pool)) - 1
  const count = async () =>
    (await client.query<{ count: number }>('SELECT count(*)::int AS count FROM event')).rows[0]
      ?.count ?? 0

  return {
    client,
    async growTo(target, eventsPerDay) {
      let stored = await count()
      while (stored < target) {
        const start = new Date(day * DAY_MS).toISOString()
        await events.ensure([day])
        await outcomes.ensure([day])
        await rollups.ensure([MONTHS.numberOf(day * DAY_MS)])
        const { rowCount } = await client.query(INSERT_DAY, [start, eventsPerDay])
        for (const sql of COUNT_DAY) await client.query(sql, [start])
        stored += rowCount ?? 0
        day--
      }
      await client.query(COUNT_ALL)
      await client.query('VACUUM (ANALYZE)')
      return stored
    },
    async close() {
      await client.end()
      await pool.end()
    },
  }
}

/** About what the flights of lib/flights.ts are, so that their rows are as long. */
const INSERT_DAY = `
INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, value, properties,
                   key_id, request_id, log_partition, log_offset)
SELECT tenant_id,
       (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(h, 1, 3) || '8' || substr(h, 4, 15))::uuid,
       $1::timestamptz::date, at, at, 'flight_' || i % 12, 'plane-' || (i * 7919) % 4000, i % 120 - 20,
       jsonb_build_object('distance', i % 2500, 'time', i % 24, 'route', (i % 2500) || '-' || i % 24,
                          'delayed', i % 120 > 35, 'carrier', 'AA'),
       '01940000-0000-7000-8000-000000000000', 'bench', i % 6, i
  FROM tenant, (SELECT i, md5($1 || i) AS h, $1::timestamptz + make_interval(secs => 86400.0 * i / $2::int) AS at
                  FROM generate_series(0, $2::int - 1) i) e`

const COUNT_DAY = [
  `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
   SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch'), count(*), count(value), sum(value),
          min(value), max(value), 0
     FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name
    WHERE e.received_on = $1::timestamptz::date GROUP BY 1, 2, 3`,
  `INSERT INTO outcome_minute (tenant_id, minute, stored)
   SELECT tenant_id, date_trunc('minute', received_at), count(*) FROM event
    WHERE received_on = $1::timestamptz::date GROUP BY 1, 2`,
]

const COUNT_ALL = `
INSERT INTO outcome_total (partition, stored) SELECT 0, sum(stored) FROM outcome_minute
ON CONFLICT (partition) DO UPDATE SET stored = EXCLUDED.stored`
