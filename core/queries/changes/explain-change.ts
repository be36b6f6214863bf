import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import type { Instant } from '../instant.ts'
import { isBefore } from '../instant.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { eventsOverTime, type MetricsResult } from '../metrics/events-over-time.ts'
import { type MetricsArgs, type MetricsInput, parseMetricsArgs } from '../metrics/metrics-args.ts'
import { tooManyPoints } from '../metrics/metrics-points.ts'
import { kindQueryIdOf } from '../metrics/query-id.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import { daysReceived, inSnapshot } from '../sql/days-received.ts'
import { resolveNames } from '../sql/names.ts'
import { checkRawBudget, type RawBudget } from '../sql/raw-budget.ts'
import type { Scope, Side } from './change-causes.ts'
import { type DefinitionAt, definitionAt } from './definition-at.ts'
import { type CauseOfChange, createLedger } from './ledger.ts'
import { readTransition } from './transition.ts'

export interface ExplainChangeInput extends MetricsInput {
  /** When the earlier result was read: its `asOf`, by Postgres' clock. */
  fromAsOf: Instant
  /** The same of the later one; now unless given. */
  toAsOf?: Instant | null
}

export interface ChangedPoint {
  /** Start of the bucket. */
  timestamp: Instant
  dimensions: Record<string, string | null>
  before: number
  after: number
  difference: number
  causes: CauseOfChange[]
}

/** The rows are the points that changed. */
export interface ChangeExplanation extends QueryResult<ChangedPoint> {
  fromAsOf: Instant
  toAsOf: Instant
  /** Of all points together, changed or not. */
  before: number
  after: number
  difference: number
  /** Of all points together: known amounts add up to the difference. */
  causes: CauseOfChange[]
  /**
   * False where the earlier result may have had more than `before`: single events were dropped since, and nothing else
   * knows what it counted of them.
   */
  isComplete: boolean
  /** Versions of the metric at both moments; null: events of the name. */
  fromVersion: number | null
  toVersion: number | null
  /** How many of the events counted in `before` came with a batch that may still have been in flight: that result may lack them. */
  inFlight: number
  info: ResultInfo
}

const BUDGET: RawBudget = {
  max: QUERY_LIMITS.rawEventsMax,
  advice:
    'Every event of the range is looked at; choose a shorter range, or one name instead of "*".',
}

/**
 * Why the same query had another result at an earlier moment. Each event that is held is in one cause, so the causes add
 * up to the difference. Both moments are compared with `stored_at`, which is of Postgres' clock, as they are.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function explainChange(
  db: Database,
  viewer: TenantViewer,
  { fromAsOf, toAsOf, ...input }: ExplainChangeInput,
): Promise<ChangeExplanation> {
  const args = parseMetricsArgs(input)
  const { aggregate, groupBy } = args
  if (aggregate !== 'COUNT' && aggregate !== 'SUM')
    throw badInput('aggregate', 'must be COUNT or SUM, because changes of others do not add up')
  return inSnapshot(db, async (db) => {
    const result = await eventsOverTime(db, viewer, { ...input, interval: args.interval })
    const { asOf: now } = result.info
    checkMoments(fromAsOf, toAsOf ?? undefined, now)
    if (groupBy.length > 0 && result.info.seriesLimit !== undefined)
      throw badInput(
        'groupBy',
        'names dimensions whose combinations are counted together; leave it out',
      )
    const sides = await readSides(db, viewer, { input, args, result }, [
      fromAsOf,
      toAsOf ?? now,
      now,
    ])
    const scope = await scopeOf(db, viewer, sides, aggregate === 'SUM')
    const ledger = createLedger(result)
    const [from, to, latest] = sides
    const read = { db, viewer, scope, result, latest: latest.definition }
    if (toAsOf != null) ledger.rewind((await readTransition(read, to, latest)).changes)
    const { at: _, ...visible } = to
    const transition = await readTransition(
      read,
      from,
      toAsOf == null ? { ...visible, at: undefined } : to,
    )
    const explained = ledger.explain(transition.changes)
    if (explained.rows.length > (input.pointsMax ?? QUERY_LIMITS.pointsMax))
      throw tooManyPoints(input.pointsMax ?? QUERY_LIMITS.pointsMax)
    const { isComplete, inFlight } = transition
    return {
      ...explained,
      rows: explained.rows.map(({ dims, ...row }) => ({
        ...row,
        dimensions: Object.fromEntries(groupBy.map((name, i) => [name, dims[i] ?? null])),
      })),
      fromAsOf,
      toAsOf: toAsOf ?? now,
      isComplete,
      inFlight,
      fromVersion: from.definition.version ?? null,
      toVersion: to.definition.version ?? null,
      source: result.source === 'raw' ? 'raw' : 'rollup+raw',
      dependencies: null,
      info: {
        ...result.info,
        source: result.source === 'raw' ? 'raw' : 'rollup+raw',
        queryId: kindQueryIdOf(viewer, 'explainChange', [
          result.info.queryId,
          fromAsOf,
          toAsOf ?? null,
        ]),
      },
    }
  })
}

/** Of the snapshot: what is later has not happened by Postgres' clock. */
function checkMoments(from: Instant, to: Instant | undefined, now: Instant): void {
  if (to !== undefined && isBefore(now, to)) throw badInput('toAsOf', 'is later than now')
  if (!isBefore(from, to ?? now))
    throw badInput('fromAsOf', to === undefined ? 'is not before now' : 'is not before toAsOf')
}

interface Query {
  input: MetricsInput
  args: MetricsArgs
  result: MetricsResult
}

type Moments<T> = [from: T, to: T, now: T]

/** What the name meant at each moment. What is read from single events now was so before, too. */
async function readSides(
  db: Database,
  viewer: TenantViewer,
  { input, args, result }: Query,
  moments: Moments<Instant>,
): Promise<Moments<Side & { at: Instant }>> {
  const names = await resolveNames(db, viewer, args.names)
  const sides: (Side & { at: Instant })[] = []
  for (const at of moments) {
    const definition = await definitionAt(db, viewer, { input, args, names }, at)
    sides.push({ at, definition })
  }
  const latest = sides.at(-1)?.definition as DefinitionAt
  for (const { definition } of sides) {
    if (definition.metricId !== latest.metricId) continue
    // Of event names too, where a declared metric counts the same: it did so before any of its days was dropped.
    definition.fromRollups = result.source !== 'raw'
    if (!definition.fromRollups) definition.history = undefined
  }
  return sides as Moments<Side & { at: Instant }>
}

/** @throws QUERY_TOO_SLOW */
async function scopeOf(
  db: Database,
  viewer: TenantViewer,
  sides: readonly Side[],
  isSum: boolean,
): Promise<Scope> {
  const args = sides.map(({ definition }) => definition.args)
  const isAll = args.some((each) => each.names === undefined)
  const only = isAll ? undefined : [...new Set(args.flatMap((each) => each.names ?? []))]
  const names = await resolveNames(db, viewer, only)
  const { range } = args[0] as MetricsArgs
  await checkRawBudget(db, viewer, names, range, BUDGET)
  return { names, days: await daysReceived(db, viewer, names, range), isSum }
}
