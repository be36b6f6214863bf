import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { readBalance } from '../../core/proof/balance.ts'

/** What was seen of the balance sheet while things were killed. */
export interface BalanceWatch {
  /** How often it could be read, and how often Postgres was away. */
  readonly looks: number
  readonly missed: number
  /** Minutes that did not add up, of any look, or that the comparison of the workers had recorded. */
  readonly unaccounted: readonly string[]
  stop(): Promise<void>
}

const LOOK_MS = 1_000
const KEPT_MAX = 20

/** Reads the balance sheet once a second until it is stopped. */
export function watchBalance(databaseUrl: string): BalanceWatch {
  const pool = new pg.Pool({
    ...{ connectionString: databaseUrl, max: 1, connectionTimeoutMillis: 5_000 },
    ...{ statement_timeout: 10_000, query_timeout: 15_000 },
  })
  pool.on('error', () => {})
  const stopping = new AbortController()
  const found: string[] = []
  let looks = 0
  let missed = 0

  async function look(): Promise<void> {
    const now = Date.now()
    const { minutes, uncounted } = await readBalance((sql, values) => pool.query(sql, values), {
      ...{ fromMs: now - 3_600_000, toMs: now + 3_600_000, rowsMax: 1_000 },
    })
    // Outcomes of records that are not counted yet are no difference.
    for (const { minute, unaccounted } of minutes)
      if (unaccounted > 0 || -unaccounted > uncounted) found.push(`${minute}: ${unaccounted}`)
    const { rows } = await pool.query(
      'SELECT tenant_id, minute, unaccounted FROM unaccounted_minute LIMIT 5',
    )
    found.push(...rows.map((row) => `recorded: ${JSON.stringify(row)}`))
    found.splice(KEPT_MAX)
  }

  const done = (async () => {
    while (!stopping.signal.aborted) {
      try {
        await look()
        looks++
      } catch {
        // Postgres is among those that are killed.
        missed++
      }
      await sleep(LOOK_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()
  return {
    get looks() {
      return looks
    },
    get missed() {
      return missed
    },
    unaccounted: found,
    async stop() {
      stopping.abort()
      await done
      await pool.end()
    },
  }
}
