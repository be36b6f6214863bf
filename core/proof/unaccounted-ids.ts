import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { eventUuid } from '../db/event-uuid.ts'
import { type Log, type LogRecord, OffsetOutOfRangeError } from '../log/log.ts'
import { createCountDecoder, readEventOf } from './decode-counted.ts'
import type { ExecuteQuery } from './execute-query.ts'

export interface UnaccountedArgs {
  tenantId: number
  /** RFC 3339 */
  minute: string
  signal: AbortSignal
}

export const UNACCOUNTED_IDS_MAX = 100
/** Of one partition: records between the first and the last one of the minute. */
const RECORDS_MAX = 200_000
const READ_MS_MAX = 20_000

/**
 * Ids of events that the log has in this minute and of which nothing is stored: neither the event, nor one with the same
 * id, nor a dead letter. Reads the part of the log again that has the minute's records; what the log has dropped since
 * cannot be named.
 * @returns at most 100 event ids, or `partition:offset` of records without one
 */
export async function findUnaccountedIds(
  execute: ExecuteQuery,
  log: Pick<Log, 'batches' | 'offsets'>,
  { tenantId, minute, signal }: UnaccountedArgs,
): Promise<string[]> {
  const { rows: parts } = await execute(
    `SELECT partition, first_offset::float8 AS first, last_offset::float8 AS last FROM log_count_minute
      WHERE tenant_id = $1 AND minute = $2::timestamptz ORDER BY 1`,
    [tenantId, minute],
  )
  const { rows: tenants } = await execute('SELECT slug FROM tenant WHERE tenant_id = $1', [
    tenantId,
  ])
  const name = tenants[0]?.slug
  const held = new Map((await log.offsets(TOPICS.raw.name)).map((row) => [row.partition, row]))
  const minuteNumber = Math.floor(Date.parse(minute) / 60_000)
  const ids: string[] = []
  for (const { partition, first, last } of parts) {
    const { logStartOffset = 0, lastStableOffset = 0 } = held.get(partition as number) ?? {}
    const from = Math.max(first as number, logStartOffset)
    const to = Math.min((last as number) + 1, lastStableOffset, from + RECORDS_MAX)
    const decode = createCountDecoder(Date.now)
    await forEachRecords(
      log,
      { partition: partition as number, from, to, signal },
      async (records) => {
        const own = records.filter((record) => {
          const { tenant, minute: at } = decode(record)
          return at === minuteNumber && (tenantId === 0 || tenant === name)
        })
        ids.push(...(await findWithoutOutcome(execute, tenantId, own)))
        return ids.length < UNACCOUNTED_IDS_MAX
      },
    )
    if (ids.length >= UNACCOUNTED_IDS_MAX) break
  }
  return ids.slice(0, UNACCOUNTED_IDS_MAX)
}

interface LogRange {
  partition: number
  from: number
  to: number
  signal: AbortSignal
}

/** Until `handle` returns false. What is not held (any more) is left out. */
async function forEachRecords(
  log: Pick<Log, 'batches'>,
  { partition, from, to, signal }: LogRange,
  handle: (records: readonly LogRecord[]) => Promise<boolean>,
): Promise<void> {
  if (from >= to) return
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(READ_MS_MAX)])
  try {
    for await (const batch of log.batches(TOPICS.raw.name, {
      ...{ from: new Map([[partition, from]]), signal: deadline },
      ...{ maxRecords: LIMITS.logBatchRecordsMax, minIntervalMs: 0 },
    })) {
      const [run] = batch.partitions
      if (!run) continue
      if (!(await handle(run.records.filter(({ offset }) => offset < to)))) return
      if (run.nextOffset >= to) return
    }
  } catch (error) {
    if (!(error instanceof OffsetOutOfRangeError)) throw error
  }
}

/** Of records that the workers have passed, and of which neither event nor dead letter is there. */
export async function findWithoutOutcome(
  execute: ExecuteQuery,
  tenantId: number,
  records: readonly LogRecord[],
): Promise<string[]> {
  if (records.length === 0) return []
  const found = records.map(({ partition, offset, value }) => {
    const event = readEventOf(value)
    return {
      ...{ partition, offset, eventId: event?.eventId },
      key: event ? eventUuid(event.eventId, event.trust) : null,
    }
  })
  const { rows } = await execute(
    `SELECT r.i FROM unnest($1::int[], $2::bigint[], $3::uuid[]) WITH ORDINALITY AS r (partition, log_offset, key, i)
       JOIN log_position p ON p.topic = $4 AND p.partition = r.partition AND r.log_offset < p.next_offset
      WHERE NOT EXISTS (SELECT FROM dead_letter d WHERE d.topic = $4 AND d.partition = r.partition AND d.log_offset = r.log_offset)
        AND NOT EXISTS (SELECT FROM event e WHERE e.tenant_id = $5 AND e.event_id = r.key)
      ORDER BY r.i LIMIT ${UNACCOUNTED_IDS_MAX}`,
    [
      found.map(({ partition }) => partition),
      found.map(({ offset }) => offset),
      found.map(({ key }) => key),
      TOPICS.raw.name,
      tenantId,
    ],
  )
  return rows.map(({ i }) => {
    const { eventId, partition, offset } = found[Number(i) - 1] as (typeof found)[number]
    return eventId ?? `${partition}:${offset}`
  })
}
