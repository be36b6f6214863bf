import { LIMITS } from '../../../contract/limits.ts'

/** How many records a consumer takes in one batch. */
export interface BatchSize {
  readonly recordsMax: number
  /** After a failure: half as many where Postgres could not finish in time, because the same batch would fail again. */
  failed(error: unknown): void
  /** Aborts when so few were taken for long enough that more may be tried; undefined at full size. */
  patience(): AbortSignal | undefined
  /** Twice as many, after `patience` has ended without a failure. */
  grow(): void
}

const RECORDS_MIN = 50
const PATIENCE_MS = 30_000
const QUERY_CANCELED = '57014'

export function createBatchSize(patienceMs = PATIENCE_MS): BatchSize {
  let recordsMax: number = LIMITS.logBatchRecordsMax
  return {
    get recordsMax() {
      return recordsMax
    },
    failed(error) {
      if ((error as { code?: unknown }).code === QUERY_CANCELED)
        recordsMax = Math.max(RECORDS_MIN, recordsMax >> 1)
    },
    patience: () =>
      recordsMax < LIMITS.logBatchRecordsMax ? AbortSignal.timeout(patienceMs) : undefined,
    grow() {
      recordsMax = Math.min(LIMITS.logBatchRecordsMax, 2 * recordsMax)
    },
  }
}
