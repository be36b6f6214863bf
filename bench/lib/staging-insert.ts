import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { dayTable } from '../../core/db/day-partitions.ts'
import { decodeBatch, type EventRow } from '../../core/worker/decode/decode.ts'
import { createTenants } from '../../core/worker/decode/tenant-settings.ts'
import { createPartitionKeeper } from '../../core/worker/maintenance/partition-maintenance.ts'
import { COPY_COLUMNS, createRowEncoder } from '../../core/worker/write/copy-rows.ts'
import type { FlightRecord } from './flights.ts'

/**
 * The plain SQL baseline: binary COPY into a staging table, INSERT … ON CONFLICT DO NOTHING from there into the
 * day's table, one commit a batch, one connection. The rows are decoded beforehand; there are no rollups.
 */
export async function stagingInsert(url: string, records: readonly FlightRecord[], batch: number) {
  const client = new pg.Client(url)
  await client.connect()
  const rows = await decodeAll(client, records)
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  await createPartitionKeeper({ pool }).keep()
  await pool.end()
  await client.query(
    `CREATE TEMP TABLE staging ON COMMIT DELETE ROWS AS SELECT ${COPY_COLUMNS} FROM event WITH NO DATA`,
  )
  const encode = createRowEncoder()
  const table = dayTable('event', rows[0]?.receivedDay ?? 0)
  return {
    async go() {
      for (let i = 0; i < rows.length; i += batch) {
        await client.query('BEGIN')
        const sink = client.query(
          copyFrom(`COPY staging (${COPY_COLUMNS}) FROM STDIN (FORMAT binary)`),
        )
        await new Promise<void>((resolve, reject) => {
          sink.once('finish', resolve).once('error', reject)
          sink.end(encode(rows.slice(i, i + batch)))
        })
        await client.query(
          `INSERT INTO ${table} (${COPY_COLUMNS}) SELECT ${COPY_COLUMNS} FROM staging ON CONFLICT DO NOTHING`,
        )
        await client.query('COMMIT')
      }
    },
    close: () => client.end(),
  }
}

async function decodeAll(client: pg.Client, records: readonly FlightRecord[]): Promise<EventRow[]> {
  const tenants = createTenants((sql, values) => client.query(sql, values))
  const logged = records.map((record, offset) => ({ ...record, offset, timestamp: Date.now() }))
  const decoded = await decodeBatch(
    {
      partitions: [{ partition: 0, baseOffset: 0, nextOffset: logged.length, records: logged }],
      recordCount: logged.length,
    },
    tenants,
    new Map(),
  )
  return decoded.flatMap((each): EventRow[] => (each.is === 'event' ? [each.row] : []))
}
