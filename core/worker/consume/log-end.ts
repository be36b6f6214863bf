import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Log, LogRecord } from '../../log/log.ts'
import { decodeBatch } from '../decode/decode.ts'
import { splitDecoded } from '../decode/decoded.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import type { ExecuteQuery } from './connection.ts'

/** How far back from its end a log is compared with what was stored of it. */
const RECORDS_MAX = 4 * LIMITS.logBatchRecordsMax
const READ_MS_MAX = 10_000

/** What a partition holds: the first offset, and the one after the last. */
export interface HeldOffsets {
  partition: number
  start: number
  end: number
}

/**
 * Tells a log that lost its end from one that was recreated: compares its last records with what was stored of the
 * same offsets, latest first.
 * @returns the offset after the last record that is stored with this very offset; undefined where there is none, so
 *   that this is another log
 */
export async function findAppliedEnd(
  execute: ExecuteQuery,
  log: Pick<Log, 'batches'>,
  { partition, start, end }: HeldOffsets,
): Promise<number | undefined> {
  const oldest = Math.max(start, end - RECORDS_MAX)
  for (let to = end; to > oldest; ) {
    const from = Math.max(oldest, to - LIMITS.logBatchRecordsMax)
    const records = await readRecords(log, partition, from, to)
    const last = await findLastStored(execute, partition, records)
    if (last !== undefined) return last + 1
    to = from
  }
}

async function readRecords(
  log: Pick<Log, 'batches'>,
  partition: number,
  from: number,
  to: number,
): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  const deadline = AbortSignal.timeout(READ_MS_MAX)
  const batches = log.batches(TOPICS.raw.name, {
    from: new Map([[partition, from]]),
    signal: deadline,
    maxRecords: to - from,
    minIntervalMs: 0,
    readAhead: false,
  })
  for await (const batch of batches) {
    let next = from
    for (const run of batch.partitions) {
      records.push(...run.records.filter(({ offset }) => offset < to))
      next = run.nextOffset
    }
    if (next >= to) return records
  }
  deadline.throwIfAborted()
  return records
}

async function findLastStored(
  execute: ExecuteQuery,
  partition: number,
  records: LogRecord[],
): Promise<number | undefined> {
  const run = { partition, baseOffset: 0, nextOffset: 0, records }
  const decoded = await decodeBatch(
    { partitions: [run], recordCount: records.length },
    createTenants(execute),
    new Map(),
    // Only keys and bytes are compared, whatever their times are.
    { nowMs: Date.now(), ageDaysMax: Number.POSITIVE_INFINITY },
  )
  const { rows: events, deadLetters } = splitDecoded(decoded)
  const { rows } = await execute(
    `SELECT max(log_offset) AS last FROM (
       SELECT e.log_offset FROM unnest($2::int[], $3::uuid[], $4::int[], $5::bigint[]) AS s (tenant, id, day, log_offset)
         JOIN event e ON e.tenant_id = s.tenant AND e.event_id = s.id AND e.received_on = date '1970-01-01' + s.day
          AND e.log_partition = $1 AND e.log_offset = s.log_offset
       UNION ALL
       SELECT d.log_offset FROM unnest($6::bigint[], $7::bytea[]) AS s (log_offset, original)
         JOIN dead_letter d ON d.topic = $8 AND d.partition = $1 AND d.log_offset = s.log_offset AND d.original = s.original
     ) stored`,
    [
      partition,
      events.map((row) => row.tenantId),
      events.map((row) => row.eventId),
      events.map((row) => row.receivedDay),
      events.map((row) => row.record.offset),
      deadLetters.map(({ record }) => record.offset),
      deadLetters.map(({ original }) => original),
      TOPICS.raw.name,
    ],
  )
  const last = rows[0]?.last
  return last === null || last === undefined ? undefined : Number(last)
}
