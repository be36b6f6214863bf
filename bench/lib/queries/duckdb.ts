import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import pg from 'pg'
import { to as copyTo } from 'pg-copy-streams'

export interface DuckDB {
  /** The rows `(key, value)` of a statement about the tables `event` and `rollup`. */
  query(sql: string): Promise<[string, number][]>
  close(): void
}

/** By column, its type and what it is in Postgres: properties are columns of their own, as one would store them there. */
const TABLES = {
  event: {
    from: 'event e',
    columns: {
      occurred_at: ['TIMESTAMPTZ', 'e.occurred_at'],
      name: ['VARCHAR', 'e.name'],
      actor: ['VARCHAR', 'e.actor'],
      value: ['DOUBLE', 'e.value'],
      plan: ['VARCHAR', "e.properties ->> 'plan'"],
      country: ['VARCHAR', "e.properties ->> 'country'"],
      device: ['VARCHAR', "e.properties ->> 'device'"],
      tier: ['VARCHAR', "e.properties ->> 'tier'"],
      amount: ['DOUBLE', "e.properties ->> 'amount'"],
    },
  },
  rollup: {
    from: 'series s JOIN rollup_15m r USING (tenant_id, series_id)',
    columns: {
      bucket: ['TIMESTAMPTZ', 'r.bucket'],
      name: ['VARCHAR', 's.metric'],
      count: ['BIGINT', 'r.count'],
    },
  },
} as const

/** DuckDB with the rows of this database as Parquet, sorted by time. Nothing is loaded over the network. */
export async function openDuckDB(url: string): Promise<DuckDB> {
  const home = mkdtempSync(join(tmpdir(), 'sluice-bench-duckdb-'))
  const instance = await DuckDBInstance.create(':memory:', {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const connection = await instance.connect()
  await connection.run("SET TimeZone = 'UTC'")
  for (const [table, { from, columns }] of Object.entries(TABLES)) {
    const csv = join(home, `${table}.csv`)
    const parquet = join(home, `${table}.parquet`)
    const types = Object.entries(columns).map(([name, [type]]) => `'${name}': '${type}'`)
    const select = Object.values(columns).map(([, sql]) => sql)
    await exportCsv(url, `SELECT ${select} FROM ${from} ORDER BY 1`, csv)
    await connection.run(
      `COPY (SELECT * FROM read_csv('${csv}', header = false, columns = {${types}})) TO '${parquet}' (FORMAT parquet)`,
    )
    rmSync(csv)
    await connection.run(`CREATE VIEW ${table} AS SELECT * FROM '${parquet}'`)
  }
  return {
    async query(sql) {
      const reader = await connection.runAndReadAll(sql)
      return reader.getRowsJson().map(([key, value]) => [String(key), Number(value)])
    },
    close() {
      connection.closeSync()
      instance.closeSync()
      rmSync(home, { recursive: true, force: true })
    },
  }
}

async function exportCsv(url: string, select: string, file: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    options: '-c timezone=UTC -c work_mem=256MB',
  })
  await client.connect()
  await pipeline(
    client.query(copyTo(`COPY (${select}) TO STDOUT (FORMAT csv)`)),
    createWriteStream(file),
  )
  await client.end()
}
