import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { dayTable } from '../../db/day-partitions.ts'
import { saveDroppedDay, saveRetentionDays } from '../../db/event-retention.ts'
import { DAY_MS, DAYS, findExisting, MONTHS, readToday } from '../../db/partitions.ts'
import { partitionsOf } from '../../db/tables/partitioned-tables.ts'
import { createDatabaseClock, type ExecuteQuery, readDatabaseMs } from '../consume/connection.ts'
import type { DecodedParts } from '../decode/decoded.ts'
import type { SketchesOfDays } from '../sketches/schedule.ts'
import { type AgeResult, ageMetrics } from './age-metrics.ts'
import { isApplied } from './applied-days.ts'
import { createOutcomeFolding } from './fold-outcomes.ts'
import { indexOldDays } from './index-old-days.ts'
import { lastStoredAt } from './last-stored-at.ts'
import { type PruneResult, prune } from './prune.ts'

/** What one run changed. */
export interface MaintenanceResult extends PruneResult, AgeResult {
  /** Names of day tables. */
  created: string[]
  dropped: string[]
  /** Days from before an index that have it now. */
  indexed: string[]
  keyUseDeleted: number
  /** Minutes of outcomes that became part of a 15-minute row. */
  minutesFolded: number
}

/**
 * Maintains the partitions by time of `event`, `rollup_15m`, `metric_rollup_15m`, `event_idempotency`, `event_duplicate` and `outcome_minute`, and the tables that are kept for a limited time. A day is dropped when it is older than the
 * retention and nothing can come any more that has to be compared with it; rollups live on, keys' use for a while.
 */
export interface PartitionMaintenance {
  /**
   * Creates the coming days' partitions and drops the expired ones. Called at start and every hour. Each part of it runs
   * whether or not another one failed.
   * @throws MaintenanceError
   */
  run(): Promise<MaintenanceResult>
  /** Resolves when each of these has its partitions: by when it was received, and events by when they occurred. */
  ensure(parts: DatedParts): Promise<void>
  /** After a write that failed: another worker may have dropped a day. */
  forget(): void
}

/** Of a batch, what decides its partitions. */
export interface DatedParts {
  rows: readonly {
    receivedDay: number
    occurred: { ms: number }
    idempotency?: bigint | undefined
  }[]
  deadLetters: readonly { receivedMs: number }[]
  expired: DecodedParts['expired']
}

export interface PartitionMaintenanceDeps {
  pool: pg.Pool
  retentionDays?: number
  /** Events are dropped only once their sketches are derived. */
  sketches?: SketchesOfDays
  /** Aborts when the worker ends: an index is not built to its end then. */
  signal?: AbortSignal
}

/** Some parts of a run failed; `result` is what the others did. */
export class MaintenanceError extends AggregateError {
  readonly result: Partial<MaintenanceResult>

  constructor(errors: readonly Error[], result: Partial<MaintenanceResult>) {
    super(errors, errors.map(({ message }) => message).join('; '))
    this.name = 'MaintenanceError'
    this.result = result
  }
}

export function createPartitionMaintenance(deps: PartitionMaintenanceDeps): PartitionMaintenance {
  const { pool, retentionDays = LIMITS.rawRetentionDaysDefault } = deps
  const { signal = new AbortController().signal } = deps
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  const days = partitionsOf(pool, 'event')
  // Of days on which a request had a key.
  const keys = partitionsOf(pool, 'event_idempotency')
  const duplicates = partitionsOf(pool, 'event_duplicate')
  const outcomes = partitionsOf(pool, 'outcome_minute')
  const folding = createOutcomeFolding(pool)
  const rollups = partitionsOf(pool, 'rollup_15m')
  const metrics = partitionsOf(pool, 'metric_rollup_15m')

  async function dropExpired(): Promise<string[]> {
    await saveRetentionDays(execute, retentionDays)
    const droppable = await findDroppable(deps, (await readToday(pool)) - retentionDays)
    const dropped = await days.drop(async (day, today, client) => {
      if (!droppable.has(day) || day >= today - retentionDays) return false
      if (!(await isApplied(client, day))) return false
      const lastStoredAt = droppable.get(day) ?? null
      await saveDroppedDay((sql, values) => client.query(sql, values), day, lastStoredAt)
      return true
    })
    const { numbers } = await findExisting(pool, 'event', DAYS)
    await keys.drop((day, today) => day < today - retentionDays && !numbers.has(day))
    const oldest = (await readToday(pool)) - retentionDays
    await duplicates.drop((month) => startMs(month + 1) <= oldest * DAY_MS)
    return dropped
  }

  return {
    async ensure({ rows, deadLetters, expired }) {
      const received = new Set<number>()
      const months = new Set<number>()
      const keyed = new Set<number>()
      let month = { from: 0, before: 0 }
      for (const { receivedDay, occurred, idempotency } of rows) {
        received.add(receivedDay)
        if (idempotency !== undefined) keyed.add(receivedDay)
        if (occurred.ms >= month.from && occurred.ms < month.before) continue
        const number = MONTHS.numberOf(occurred.ms)
        month = { from: startMs(number), before: startMs(number + 1) }
        months.add(number)
      }
      await days.ensure(received)
      await keys.ensure(keyed)
      await rollups.ensure(months)
      await metrics.ensure(months)
      for (const { receivedMs } of deadLetters) received.add(DAYS.numberOf(receivedMs))
      for (const { deadLetter } of expired) received.add(DAYS.numberOf(deadLetter.receivedMs))
      await outcomes.ensure(received)
      await duplicates.ensure([...received].map((day) => MONTHS.numberOf(day * DAY_MS)))
    },
    forget() {
      for (const each of [days, keys, duplicates, outcomes, rollups, metrics]) each.forget()
    },
    async run() {
      return await runParts({
        async created() {
          const created = []
          for (const each of [days, outcomes, rollups, metrics])
            created.push(...(await each.createAhead()))
          return created
        },
        dropped: dropExpired,
        indexed: () => indexOldDays(pool, signal),
        keyUseDeleted: () => deleteKeyUse(pool),
        pruned: async () =>
          // Postgres' clock: if the machine's clock were fast, every row would look too old.
          prune({ pool, retentionDays, now: await createDatabaseClock(execute) }),
        minutesFolded: async () =>
          folding.run((await readDatabaseMs(execute)) - LIMITS.outcomeMinuteDays * DAY_MS),
        metricsAged: () => ageMetrics(pool),
      })
    },
  }
}

/**
 * Days before this one that nothing needs any more, and when the last event of each was stored. Asked before any is
 * locked, as it may take a while. Nothing comes to them after that: replays refuse events that old.
 */
async function findDroppable(
  { pool, sketches }: PartitionMaintenanceDeps,
  before: number,
): Promise<Map<number, string | null>> {
  await sketches?.deriveBefore(before)
  const droppable = new Map<number, string | null>()
  for (const day of (await findExisting(pool, 'event', DAYS)).numbers) {
    if (day >= before || !(await isApplied(pool, day))) continue
    if (!sketches || (await sketches.isDroppable(day, before - 1 - day)))
      droppable.set(day, await lastStoredAt(pool, dayTable('event', day)))
  }
  return droppable
}

async function deleteKeyUse(pool: pg.Pool): Promise<number> {
  await pool.query(
    "DELETE FROM key_sender_hour WHERE hour < clock_timestamp() - interval '49 hours'",
  )
  const { rowCount } = await pool.query(
    'DELETE FROM key_use_hour WHERE hour < clock_timestamp() - make_interval(days => $1)',
    [LIMITS.keyUseDays],
  )
  return rowCount ?? 0
}

function startMs(month: number): number {
  return Date.parse(MONTHS.startOf(month))
}

interface Parts {
  created: () => Promise<string[]>
  dropped: () => Promise<string[]>
  indexed: () => Promise<string[]>
  keyUseDeleted: () => Promise<number>
  pruned: () => Promise<PruneResult>
  minutesFolded: () => Promise<number>
  metricsAged: () => Promise<AgeResult>
}

/** One after the other, each whatever became of those before it. */
async function runParts(parts: Parts): Promise<MaintenanceResult> {
  const errors: Error[] = []
  const attempt = async <T>(name: string, part: () => Promise<T>): Promise<T | undefined> =>
    part().catch((error) => {
      errors.push(new Error(`${name}: ${error}`, { cause: error }))
      return undefined
    })
  const created = await attempt('creating days', parts.created)
  const dropped = await attempt('dropping days', parts.dropped)
  const indexed = await attempt('indexing days', parts.indexed)
  const keyUseDeleted = await attempt('deleting key use', parts.keyUseDeleted)
  const pruned = await attempt('pruning', parts.pruned)
  const minutesFolded = await attempt('folding outcomes', parts.minutesFolded)
  const aged = await attempt('ageing metrics', parts.metricsAged)
  const result = { created, dropped, indexed, keyUseDeleted, ...pruned, minutesFolded, ...aged }
  if (errors.length > 0) throw new MaintenanceError(errors, result)
  return result as MaintenanceResult
}
