import type pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { LIMITS } from '../../../contract/limits.ts'
import { dayTable } from '../../db/day-partitions.ts'
import type { EventRow } from '../decode/decoded.ts'
import { COPY_COLUMNS } from './row-encoder.ts'

/** Postgres took the bytes of a COPY and never confirmed them. */
export class CopyTimeoutError extends Error {
  readonly code = 'ETIMEDOUT'

  constructor() {
    super('COPY was not confirmed in time')
    this.name = 'CopyTimeoutError'
  }
}

/**
 * Straight into each day's partition: routing by the parent costs, and a batch near midnight has two days.
 * @param encoded the rows, where they are all of one day and were encoded before
 */
export async function copyRows(
  client: pg.Client,
  encode: (rows: readonly EventRow[]) => Buffer,
  rows: readonly EventRow[],
  encoded?: Buffer,
): Promise<void> {
  for (const [day, ofDay] of groupByDay(encoded ? rows : inTenantOrder(rows))) {
    // First: what fails here must not leave a COPY open that nobody ends.
    const bytes = encoded ?? encode(ofDay)
    const sink = client.query(
      copyFrom(`COPY ${dayTable('event', day)} (${COPY_COLUMNS}) FROM STDIN (FORMAT binary)`),
    )
    await new Promise<void>((resolve, reject) => {
      // A socket that dies in the middle rejects through `error`; the deadline is the server's
      // statement_timeout and, where the server is silent, this timer.
      const timer = setTimeout(
        () => sink.destroy(new CopyTimeoutError()),
        LIMITS.workerStatementMsMax + 5_000,
      )
      sink.once('error', (error) => {
        clearTimeout(timer)
        reject(error)
      })
      sink.once('finish', () => {
        clearTimeout(timer)
        resolve()
      })
      sink.end(bytes)
    })
  }
}

/**
 * The rows by tenant, as all indexes of `event` are: in the order of the log, rows of thousands of tenants would visit
 * other pages of each index for every row. Sorted as numbers, which is ten times as fast as by a comparison of rows.
 */
export function inTenantOrder(rows: readonly EventRow[]): EventRow[] {
  const order = Float64Array.from(rows, ({ tenantId }, i) => tenantId * rows.length + i).sort()
  return Array.from(order, (key) => rows[key % rows.length] as EventRow)
}

export function groupByDay(rows: readonly EventRow[]): Map<number, EventRow[]> {
  const days = new Map<number, EventRow[]>()
  for (const row of rows) {
    const ofDay = days.get(row.receivedDay)
    if (ofDay) ofDay.push(row)
    else days.set(row.receivedDay, [row])
  }
  return days
}
