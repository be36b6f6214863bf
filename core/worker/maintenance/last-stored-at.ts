import type pg from 'pg'

const STATEMENT_MS_MAX = 10_000
const CANCELLED = '57014'

/** When the last event of a day was stored, RFC 3339; null without events, and where reading all of it takes too long. */
export async function lastStoredAt(pool: pg.Pool, table: string): Promise<string | null> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    await client.query(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}`)
    const { rows } = await client.query<{ last: string | null }>(
      `SELECT to_char(max(stored_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last FROM ${table}`,
    )
    await client.query('COMMIT')
    return rows[0]?.last ?? null
  } catch (error) {
    broken = error as Error
    if ((error as { code?: unknown }).code !== CANCELLED) throw error
    return null
  } finally {
    client.release(broken)
  }
}
