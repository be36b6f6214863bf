import type pg from 'pg'
import type { Log } from '../../log/log.ts'
import type { PartResult } from './difference.ts'

/** What is verified: half-open, in milliseconds since 1970. Infinite: everything that is held. */
export interface VerifyRange {
  fromMs: number
  toMs: number
  /** All tenants unless set. */
  tenantId?: number
}

/** What the parts of one verification have in common. */
export interface VerifyContext extends VerifyRange {
  /** Days of which events are held; days since 1970-01-01, UTC. */
  days: readonly number[]
  /** All events are counted in one statement rather than day by day. */
  isSmall: boolean
  /** The latest day whose events were dropped when the parts were made. */
  droppedThrough: number | undefined
  /** Without it what is in the log is not compared. */
  log: Log | undefined
  /** Of one statement. */
  statementMsMax: number
  signal: AbortSignal
}

/** What was revised is derived again within a minute or two. */
export const REVISION_MINUTES = 15

/** A part of a verification: on its own, in a snapshot of its own, so that ingest beside it makes no difference. */
export interface Part {
  /** Unique in a verification, and the same in the next run: a run that was stopped leaves out what is done. */
  name: string
  /**
   * @param client in a read-only transaction of one snapshot, in which no day of events is dropped
   * @param droppedThrough the latest day that was dropped by then: maintenance goes on beside a verification
   */
  run(client: pg.ClientBase, droppedThrough: number | undefined): Promise<PartResult>
  /** Where a statement took too long: the same in smaller parts. Undefined: it cannot be smaller. */
  split?: () => Part[] | undefined
}

/** A check makes its parts. */
export type Check = (context: VerifyContext, client: pg.ClientBase) => Promise<Part[]> | Part[]

/**
 * SQL: begins the snapshot of a part. Which days of events there are is no matter of the snapshot, so they are locked
 * first: a day that was not dropped until then stays.
 */
export function beginSnapshot({ statementMsMax }: Pick<VerifyContext, 'statementMsMax'>): string {
  return `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = ${statementMsMax}; SET LOCAL jit = off;
    LOCK TABLE event IN ACCESS SHARE MODE`
}

/** SQL: a time, infinite ones included. */
export function timeLiteral(ms: number): string {
  if (ms === Number.NEGATIVE_INFINITY) return "'-infinity'::timestamptz"
  if (ms === Number.POSITIVE_INFINITY) return "'infinity'::timestamptz"
  return `'${new Date(ms).toISOString()}'::timestamptz`
}
