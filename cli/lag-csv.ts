import { appendFileSync, existsSync, statSync } from 'node:fs'
import { csvLine } from '../contract/csv.ts'
import { UsageError } from '../core/lib/usage-error.ts'
import type { LagReport } from '../core/queries/pipeline/lag.ts'

export const LAG_CSV_HEADER = 'timestamp,events_processed,lag,batch_time_ms,processing_rate'

/** The lag at one time, with what each worker has done until then. */
export interface LagSample {
  atMs: number
  report: LagReport
  batches: ReadonlyMap<string, { batches: number; ms: number }>
}

/** Writes the header unless the file has one already. @throws UsageError when the file cannot be written */
export function startLagCsv(file: string): void {
  try {
    if (!existsSync(file) || statSync(file).size === 0) appendFileSync(file, `${LAG_CSV_HEADER}\n`)
  } catch (error) {
    throw new UsageError((error as Error).message, 'Use a file that can be written.')
  }
}

/** Rate and batch time are of the time since the sample before; those of the first sample are 0. */
export function formatLagCsvLine(sample: LagSample, previous: LagSample | undefined): string {
  const { applied, lag } = sample.report
  const seconds = previous ? (sample.atMs - previous.atMs) / 1000 : 0
  const rate = previous && seconds > 0 ? (applied - previous.report.applied) / seconds : 0
  let batches = 0
  let ms = 0
  for (const [worker, total] of sample.batches) {
    const before = previous?.batches.get(worker) ?? (previous ? { batches: 0, ms: 0 } : total)
    batches += total.batches - before.batches
    ms += total.ms - before.ms
  }
  const batchMs = batches > 0 ? ms / batches : 0
  const time = new Date(sample.atMs).toISOString()
  return csvLine([time, applied, lag, batchMs.toFixed(1), rate.toFixed(1)])
}
