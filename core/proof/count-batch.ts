import type pg from 'pg'
import type { LogBatch, PartitionBatch } from '../log/log.ts'
import type { CountedRecord } from './decode-counted.ts'

/** Records of one tenant and minute that follow each other, as a row of log_count_batch has them. */
export interface CountedRuns {
  partition: number
  baseOffset: number
  nextOffset: number
  /** Ids of tenants, or -n for the n-th of `names`. */
  tenants: number[]
  minutes: number[]
  lengths: number[]
  names: string[]
}

/** Another process counts: it moved a position since this one read it. */
export class CountedMeanwhileError extends Error {
  constructor() {
    super('another process counts the log')
    this.name = 'CountedMeanwhileError'
  }
}

/**
 * The runs of one partition of a batch. Where offsets are missing (control records of Kafka) a new row begins, so
 * that the offset of each record is known.
 * @param tenantOf the id of a tenant; undefined where none has that name
 */
export function toRuns(
  { partition, nextOffset }: PartitionBatch,
  records: readonly CountedRecord[],
  tenantOf: (name: string) => number | undefined,
): CountedRuns[] {
  const rows: CountedRuns[] = []
  let row: CountedRuns | undefined
  const names = new Map<string, number>()
  for (const { offset, tenant, minute } of records) {
    if (row === undefined || offset !== row.nextOffset) {
      row = {
        ...{ partition, baseOffset: offset, nextOffset: offset },
        ...{ tenants: [], minutes: [], lengths: [], names: [] },
      }
      names.clear()
      rows.push(row)
    }
    const id = tenantOf(tenant ?? '') ?? -nameOf(row, names, tenant ?? '')
    const last = row.lengths.length - 1
    if (last >= 0 && row.tenants[last] === id && row.minutes[last] === minute)
      row.lengths[last] = (row.lengths[last] as number) + 1
    else {
      row.tenants.push(id)
      row.minutes.push(minute)
      row.lengths.push(1)
    }
    row.nextOffset = offset + 1
  }
  // Offsets without a record at the end belong to the last row: the worker's position passes them, too.
  if (row) row.nextOffset = Math.max(row.nextOffset, nextOffset)
  return rows
}

const NAME_CHARS_MAX = 255

function nameOf(row: CountedRuns, names: Map<string, number>, tenant: string): number {
  const name = tenant.slice(0, NAME_CHARS_MAX).replaceAll('\0', '').toWellFormed()
  let number = names.get(name)
  if (number === undefined) {
    number = row.names.push(name)
    names.set(name, number)
  }
  return number
}

/**
 * Position and counts in one transaction: a crash leaves both or neither. The position moves first and by
 * compare-and-set, so a process that was frozen and lost its lease counts nothing twice.
 * @throws CountedMeanwhileError with nothing written
 */
export async function writeCounts(
  client: pg.ClientBase,
  batch: LogBatch,
  runs: readonly CountedRuns[],
  logIdentity: string,
): Promise<void> {
  const moves = batch.partitions.map((run) => ({
    ...{ partition: run.partition, now: run.baseOffset, next: run.nextOffset },
    at: (run.records.at(-1)?.timestamp ?? 0) / 1000,
  }))
  await client.query('BEGIN')
  try {
    const { rowCount } = await client.query(
      `UPDATE log_count_position p SET next_offset = m.next, counted_at = to_timestamp(m.at)
         FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::float8[]) AS m (partition, now, next, at)
        WHERE p.partition = m.partition AND p.next_offset = m.now AND p.log_identity = $5`,
      [
        moves.map(({ partition }) => partition),
        moves.map(({ now }) => now),
        moves.map(({ next }) => next),
        moves.map(({ at }) => at),
        logIdentity,
      ],
    )
    if (rowCount !== moves.length) throw new CountedMeanwhileError()
    for (const row of runs)
      await client.query({
        name: 'insert_log_count_batch',
        text: `INSERT INTO log_count_batch (partition, base_offset, next_offset, tenants, minutes, lengths, names)
               VALUES ($1, $2, $3, $4::int[], $5::int[], $6::int[], $7::text[])`,
        values: [
          row.partition,
          row.baseOffset,
          row.nextOffset,
          `{${row.tenants}}`,
          `{${row.minutes}}`,
          `{${row.lengths}}`,
          row.names,
        ],
      })
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}
