import pg from 'pg'
import { expect } from 'vitest'
import type { RunFile } from '../../local/run-file.ts'
import { countTotals } from './records.ts'

/** Each accepted id is one row, no id is two, and the rollups equal a recount. */
export async function expectAllStored(
  run: Pick<RunFile, 'database_url'>,
  accepted: Set<string>,
): Promise<void> {
  const pool = new pg.Pool({ connectionString: run.database_url, max: 2 })
  pool.on('error', () => {})
  try {
    await expect
      .poll(
        async () => {
          const { rows } = await pool.query(
            'SELECT DISTINCT client_event_id AS id FROM event WHERE client_event_id = ANY ($1)',
            [[...accepted]],
          )
          return accepted.size - rows.length
        },
        { timeout: 30_000, interval: 250 },
      )
      .toBe(0)
    expect(await countTotals(pool)).toMatchObject({ double: 0, wrongRollups: 0 })
  } finally {
    await pool.end()
  }
}
