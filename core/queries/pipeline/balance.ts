import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import { type BalanceMinute, readBalance } from '../../proof/balance.ts'
import type { ExecuteQuery } from '../../proof/execute-query.ts'
import { type Instant, toMicros } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import { checkRange } from '../sql/buckets.ts'

export type { BalanceMinute }

export interface BalanceQueryArgs {
  /** Of receipt; widened to whole minutes. */
  startTime: Instant
  endTime: Instant
}

/** The rows are the minutes of receipt that have records or outcomes, oldest first. */
export interface BalanceResult extends QueryResult<BalanceMinute> {
  /** Sum of the minutes' differences, each without its sign: 0 where every accepted event has its outcome. */
  unaccounted: number
  accepted: number
  inFlight: number
  /** Nothing has counted the log yet where it is false. */
  counting: boolean
}

const MINUTE_US = 60_000_000n
/** A week: more would be more rows than anybody reads. */
export const BALANCE_MINUTES_MAX = 7 * 1_440

/**
 * What the log has of a tenant's records against their outcomes (core/proof/balance.ts).
 * @throws ApiError BAD_USER_INPUT for a range that is empty, too long, or older than outcomes are kept by the minute
 */
export async function balance(
  db: Database,
  { tenantId }: TenantViewer,
  { startTime, endTime }: BalanceQueryArgs,
): Promise<BalanceResult> {
  checkRange({ start: startTime, end: endTime })
  const from = (toMicros(startTime) / MINUTE_US) * MINUTE_US
  const to = ((toMicros(endTime) + MINUTE_US - 1n) / MINUTE_US) * MINUTE_US
  if ((to - from) / MINUTE_US > BigInt(BALANCE_MINUTES_MAX))
    throw badInput(`the range may have at most ${BALANCE_MINUTES_MAX} minutes`, 'endTime')
  const result = await readBalance(executeOn(db), {
    fromMs: Number(from / 1000n),
    toMs: Number(to / 1000n),
    ...{ tenantId, rowsMax: BALANCE_MINUTES_MAX },
  })
  const { minutes } = result
  const sum = (of: (minute: BalanceMinute) => number) =>
    minutes.reduce((total, minute) => total + of(minute), 0)
  return {
    rows: minutes,
    source: 'rollup',
    dependencies: null,
    unaccounted: sum(({ unaccounted }) => Math.abs(unaccounted)),
    accepted: sum(({ accepted }) => accepted),
    inFlight: sum(({ inFlight }) => inFlight),
    counting: result.hasBegun,
  }
}

/** As the proofs execute statements, on a connection of the viewer. */
export function executeOn(db: Database): ExecuteQuery {
  return (text, values) => withParameters(text, values).execute(db)
}

/** A statement with `$1`, `$2` … as kysely has it. */
function withParameters(text: string, values: readonly unknown[]) {
  const parts = text.split(/\$(\d+)/).map((part, i) => {
    return i % 2 === 0 ? sql.raw(part) : sql`${values[Number(part) - 1]}`
  })
  return sql<Record<string, unknown>>`${sql.join(parts, sql.raw(''))}`
}
