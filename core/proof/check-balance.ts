import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { DAY_MS, dayTable, existingDays } from '../db/day-partitions.ts'
import type { Logger } from '../lib/logger.ts'
import { type Balance, type BalanceMinute, readBalance } from './balance.ts'
import type { ExecuteQuery } from './execute-query.ts'

/**
 * Compares counts and outcomes all the time and keeps what differs in unaccounted_minute, where /metrics, /readyz and
 * the pipeline read it for nothing. The newest minutes each time; of the older ones as many hours as take two seconds, so
 * that all of them are compared again and again.
 */
export interface BalanceCheck {
  run(): Promise<void>
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const NEWEST_MS = 60 * MINUTE_MS
/** Edges may be fast by a day at most. */
const AHEAD_MS = DAY_MS
/** Of older minutes, in one run; and how long it may take. */
const SWEEP_HOURS = 72
const SWEEP_MS_MAX = 2_000
/** So many differences are kept; more of them say nothing more. */
const DIFFERENCES_MAX = 10_000

const STATEMENT_TIMEOUT = '57014'

/** How often the newest state is read again to find one in which the count is not behind the workers. */
const ATTEMPTS_MAX = 5

/** @param untilCounted resolves when the next records are counted, or after a second */
export function createBalanceCheck(
  pool: pg.Pool,
  logger: Logger,
  untilCounted: () => Promise<void>,
): BalanceCheck {
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  /** Hours from this one on were compared; undefined: the sweep begins with the newest one. */
  let nextHour: number | undefined
  /** An hour of this sweep could not be compared. */
  let hasGap = false
  /** Differences are recorded, by this process or another one. */
  let hasRecorded = true

  async function compare(fromMs: number, toMs: number): Promise<void> {
    const balance = await readCertainBalance(fromMs, toMs)
    if (!balance.hasBegun) return
    const unsure = balance.minutes.filter((minute) => isUnsure(minute, balance))
    const found = balance.minutes.filter(
      (minute) => minute.unaccounted !== 0 && !isUnsure(minute, balance),
    )
    if (found.length > 0 || hasRecorded)
      await saveDifferences(execute, { found, unsure, fromMs, toMs })
    if (found.length > 0)
      logger.error(
        { minutes: found.length, first: found[0]?.minute },
        'counts of the log and outcomes differ: "sluice balance" shows where, "sluice verify" why',
      )
  }

  /** Right after a count the workers are seldom ahead of it: then every difference is one. */
  async function readCertainBalance(fromMs: number, toMs: number): Promise<Balance> {
    for (let attempt = 1; ; attempt++) {
      const args = { fromMs, toMs, onlyOpen: true, rowsMax: DIFFERENCES_MAX }
      const balance = await readBalance(execute, args)
      const isCertain = !balance.minutes.some((minute) => isUnsure(minute, balance))
      if (isCertain || attempt === ATTEMPTS_MAX) return balance
      await untilCounted()
    }
  }

  /** @returns whether it could be compared before its statement was ended */
  async function compareInTime(fromMs: number, toMs: number): Promise<boolean> {
    try {
      await compare(fromMs, toMs)
      return true
    } catch (error) {
      if ((error as { code?: unknown }).code !== STATEMENT_TIMEOUT) throw error
      logger.warn(
        { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
        'comparing counts of the log and outcomes took too long, trying again later',
      )
      return false
    }
  }

  /** @returns whether all hours that are kept were compared since the last time it did */
  async function sweep(nowMs: number): Promise<boolean> {
    const oldest = Math.floor(nowMs / DAY_MS) - LIMITS.outcomeMinuteDays + 2
    const days = new Set([
      ...(await existingDays(pool, 'log_count_minute')),
      ...(await existingDays(pool, 'outcome_minute')),
    ])
    const pending = [...days]
      .filter((day) => day >= oldest)
      .flatMap((day) => Array.from({ length: 24 }, (_, hour) => day * 24 + hour))
      .filter((hour) => hour < (nextHour ?? Number.POSITIVE_INFINITY))
      .sort((a, b) => b - a)
    const deadline = performance.now() + SWEEP_MS_MAX
    for (const hour of pending.slice(0, SWEEP_HOURS)) {
      if (!(await compareInTime(hour * HOUR_MS, (hour + 1) * HOUR_MS))) hasGap = true
      nextHour = hour
      if (performance.now() >= deadline) break
    }
    if (!pending.every((hour) => hour >= (nextHour ?? hour))) return false
    const isComplete = !hasGap
    nextHour = undefined
    hasGap = false
    return isComplete
  }

  return {
    async run() {
      const { rows } = await execute(
        'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms, EXISTS (SELECT FROM unaccounted_minute) AS recorded',
        [],
      )
      const nowMs = Number(rows[0]?.ms)
      hasRecorded = rows[0]?.recorded === true
      if (await compareInTime(floor(nowMs - NEWEST_MS), floor(nowMs + AHEAD_MS)))
        await execute(
          `INSERT INTO balance_check (checked_at) VALUES (clock_timestamp())
           ON CONFLICT (only_row) DO UPDATE SET checked_at = EXCLUDED.checked_at`,
          [],
        )
      if (!(await sweep(nowMs))) return
      await execute('UPDATE balance_check SET swept_at = clock_timestamp()', [])
      await dropOld(pool, nowMs)
    },
  }
}

function floor(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS
}

/**
 * Whether the outcomes that a minute has without a record may all be of records that are not counted yet. A snapshot in
 * which everything is counted decides, or one with more of them than that.
 */
function isUnsure({ unaccounted }: BalanceMinute, { uncounted }: Balance): boolean {
  return uncounted > 0 && unaccounted <= 0 && -unaccounted <= uncounted
}

interface Comparison {
  found: readonly BalanceMinute[]
  /** Of these stays what was found before. */
  unsure: readonly BalanceMinute[]
  fromMs: number
  toMs: number
}

/** What was found in a range, in the place of what had been. */
async function saveDifferences(
  execute: ExecuteQuery,
  { found, unsure, fromMs, toMs }: Comparison,
): Promise<void> {
  await execute(
    `WITH found AS (SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::bigint[]) AS f (tenant_id, minute, unaccounted)),
     gone AS (
       DELETE FROM unaccounted_minute u WHERE u.minute >= $4::timestamptz AND u.minute < $5::timestamptz
          AND NOT EXISTS (SELECT FROM found f WHERE f.tenant_id = u.tenant_id AND f.minute = u.minute)
          AND (u.tenant_id, u.minute) NOT IN (SELECT * FROM unnest($6::int[], $7::timestamptz[]))
     )
     INSERT INTO unaccounted_minute AS u (tenant_id, minute, unaccounted, found_at)
     SELECT tenant_id, minute, unaccounted, clock_timestamp() FROM found
     ON CONFLICT (tenant_id, minute) DO UPDATE SET unaccounted = EXCLUDED.unaccounted
      WHERE u.unaccounted <> EXCLUDED.unaccounted`,
    [
      found.map(({ tenantId }) => tenantId),
      found.map(({ minute }) => minute),
      found.map(({ unaccounted }) => unaccounted),
      new Date(fromMs).toISOString(),
      new Date(toMs).toISOString(),
      unsure.map(({ tenantId }) => tenantId),
      unsure.map(({ minute }) => minute),
    ],
  )
}

/** Counts are kept as long as outcomes are by the minute; afterwards nothing compares them. */
async function dropOld(pool: pg.Pool, nowMs: number): Promise<void> {
  const oldest = Math.floor(nowMs / DAY_MS) - LIMITS.outcomeMinuteDays
  for (const day of await existingDays(pool, 'log_count_minute'))
    if (day < oldest) await pool.query(`DROP TABLE ${dayTable('log_count_minute', day)}`)
  const before = new Date(oldest * DAY_MS).toISOString()
  await pool.query(
    `DELETE FROM log_count_moved WHERE dead_letter_id IN (
       SELECT dead_letter_id FROM log_count_moved WHERE minute < $1 ORDER BY minute LIMIT 10000)`,
    [before],
  )
  await pool.query('DELETE FROM unaccounted_minute WHERE minute < $1', [before])
}
