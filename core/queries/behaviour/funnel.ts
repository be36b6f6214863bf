import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { fromMicros, type Instant, toMicros } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import { checkRange, type Range } from '../sql/buckets.ts'
import { daysReceived, inSnapshot, whereOccurred } from '../sql/days-received.ts'
import { resolveNames, whereNames } from '../sql/names.ts'
import { checkRawBudget } from '../sql/raw-budget.ts'
import { readResultInfo } from '../sql/result-info.ts'
import {
  budgetOf,
  type CheckedSelection,
  checkSelection,
  type EventSelection,
  isSelected,
  namesOf,
  selectionKey,
} from './event-selection.ts'

export interface FunnelInput {
  steps: readonly EventSelection[]
  startTime: Instant
  endTime: Instant
  /** From an actor's first step to its last one; default: 7 days. */
  windowSeconds?: number | null
}

export interface FunnelStep {
  name: string
  /** Who got as far as this step. */
  actors: number
  /** Of those of the step before, and of the first step; null where those are none. */
  conversion: number | null
  overall: number | null
  /** Median over these actors of the shortest time from step 1 to this one; null for step 1 and without actors. */
  medianSeconds: number | null
}

export interface FunnelResult extends QueryResult<FunnelStep> {
  /** Events that match a step and have no actor: no funnel counts them. */
  withoutActor: number
  info: ResultInfo
}

/**
 * How many actors take ordered steps within a window. An actor has taken step k if it has events that match steps 1 to
 * k, each later than the one before (not at the same time), the first in the range, the last at most the window after
 * the first. So steps after the first may be after the range. One event is one step at most.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function funnel(
  db: Database,
  viewer: TenantViewer,
  input: FunnelInput,
): Promise<FunnelResult> {
  const range = { start: input.startTime, end: input.endTime }
  checkRange(range)
  const { windowSeconds, steps } = check(input)
  const read = {
    start: range.start,
    end: fromMicros(toMicros(range.end) + BigInt(windowSeconds) * 1_000_000n),
  }
  const only = namesOf(steps)
  return inSnapshot(db, async (db) => {
    const names = await resolveNames(db, viewer, only)
    await checkRawBudget(db, viewer, names, read, budgetOf(QUERY_LIMITS.funnelEventsMax, 'funnel'))
    const days = await daysReceived(db, viewer, names, read)
    const { rows } = await sql<Record<string, number | null>>`
      WITH events AS MATERIALIZED (
        SELECT e.actor, e.occurred_at AS t, ${sql.join(steps.map((step, i) => sql`${matches(step, i, range)} AS ${nth('m', i)}`))}
          FROM event e
         WHERE ${whereNames(viewer, names)} AND ${whereOccurred(read, days)}
           AND (${sql.join(
             steps.map((step, i) => matches(step, i, range)),
             sql` OR `,
           )})),
      chain AS (${chains(steps.length, windowSeconds)}),
      reached AS (
        SELECT ${sql.join(steps.map((_, i) => sql`min(t - ${nth('s', i)}) AS ${nth('d', i)}`))} FROM chain GROUP BY actor)
      SELECT (SELECT count(*) FROM events WHERE actor IS NULL) AS without_actor,
             ${sql.join(steps.map((_, i) => sql`count(${nth('d', i)}) AS ${nth('actors', i)}`))},
             ${sql.join(steps.map((_, i) => sql`${medianSeconds(nth('d', i))} AS ${nth('median', i)}`))}
        FROM reached`.execute(db)
    const row = rows[0] as Record<string, number | null>
    const info = await readResultInfo(db, viewer, {
      kind: 'funnel',
      args: [steps.map(selectionKey), windowSeconds],
      names: only,
      range: read,
      source: 'raw',
    })
    return {
      rows: toSteps(
        input.steps.map(({ name }) => name),
        row,
      ),
      withoutActor: row.without_actor ?? 0,
      source: 'raw',
      dependencies: [{ viewer, range: read, interval: 'TOTAL', final: info.final }],
      info,
    }
  })
}

function check({ steps, windowSeconds }: FunnelInput) {
  const { funnelStepsMax, funnelWindowSecondsDefault, funnelWindowSecondsMax } = QUERY_LIMITS
  if (steps.length < 2 || steps.length > funnelStepsMax)
    throw badInput('steps', `must be 2 to ${funnelStepsMax}`)
  const seconds = windowSeconds ?? funnelWindowSecondsDefault
  if (seconds < 1 || seconds > funnelWindowSecondsMax)
    throw badInput('windowSeconds', `must be 1 to ${funnelWindowSecondsMax}`)
  return { steps: steps.map((step) => checkSelection(step)), windowSeconds: seconds }
}

const nth = (column: string, index: number): RawBuilder<unknown> => sql.ref(`${column}_${index}`)

/** Whether a row of `event e` can be this step. */
function matches(step: CheckedSelection, index: number, { end }: Range): RawBuilder<unknown> {
  const selected = isSelected(step)
  return index === 0 ? sql`(${selected} AND e.occurred_at < ${end}::timestamptz)` : selected
}

/**
 * Rows `(actor, t, s_0, s_1, …)`: `s_k` is the latest first step from which an event can be reached as step k, within
 * the window, else NULL. The latest one is enough: where it is too long ago, every other is. It is the highest s_(k-1)
 * of the actor's earlier events, so each step is one pass over the same order, however many events there are.
 */
function chains(steps: number, windowSeconds: number): RawBuilder<unknown> {
  let rows = sql`SELECT events.*, CASE WHEN m_0 THEN t END AS s_0 FROM events WHERE actor IS NOT NULL`
  for (let k = 1; k < steps; k++) {
    const start = nth('l', k)
    rows = sql`
      SELECT x.*, CASE WHEN ${nth('m', k)} AND t - ${start} <= make_interval(secs => ${windowSeconds}) THEN ${start} END AS ${nth('s', k)}
        FROM (SELECT r.*, max(${nth('s', k - 1)}) OVER (
                PARTITION BY actor ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND '1 microsecond' PRECEDING) AS ${start}
                FROM (${rows}) r) x`
  }
  return rows
}

function medianSeconds(duration: RawBuilder<unknown>): RawBuilder<unknown> {
  return sql`percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ${duration})::float8)`
}

function toSteps(names: readonly string[], row: Record<string, number | null>): FunnelStep[] {
  const actorsOf = (index: number) => row[`actors_${index}`] ?? 0
  const share = (part: number, whole: number) => (whole === 0 ? null : part / whole)
  return names.map((name, i) => ({
    name,
    actors: actorsOf(i),
    conversion: share(actorsOf(i), actorsOf(Math.max(0, i - 1))),
    overall: share(actorsOf(i), actorsOf(0)),
    medianSeconds: i === 0 ? null : (row[`median_${i}`] ?? null),
  }))
}
