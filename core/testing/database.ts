import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

export interface TestDatabase {
  url: string
  pool: pg.Pool
  /** Cuts whoever is still connected and removes it. */
  drop(): Promise<void>
}

/** A migrated, empty database of one's own on the shared test server. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `test_${randomBytes(6).toString('hex')}`
  await asAdmin(server, `CREATE DATABASE ${name} TEMPLATE template_sluice`)
  const url = server.replace(/sluice$/, name)
  const pool = new pg.Pool({ connectionString: url, max: 5 })
  pool.on('error', () => {})
  return {
    url,
    pool,
    async drop() {
      await pool.end()
      await asAdmin(server, `DROP DATABASE ${name} WITH (FORCE)`)
    },
  }
}

async function asAdmin(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
