import type pg from 'pg'
import { LIMITS } from '../../../../contract/limits.ts'
import { TOPICS } from '../../../../contract/log/topics.ts'
import { DAY_MS } from '../../../db/day-partitions.ts'
import type { Log, LogRecord } from '../../../log/log.ts'
import { addDifference, type PartResult } from '../difference.ts'
import type { VerifyContext } from '../part.ts'
import { readHashedRecord } from './event-hash.ts'
import { type LogRange, readRanges } from './read-range.ts'
import { type RecordWindow, STATE } from './record-window.ts'

export type LogContext = VerifyContext & { log: Log }

export interface TenantNames {
  idOf: (name: string) => number | undefined
}

/** Of days that were dropped nothing can be looked up, and a duplicate may be of one of them. */
export function oldestMs(droppedThrough: number | undefined): number {
  return droppedThrough === undefined
    ? Number.NEGATIVE_INFINITY
    : (droppedThrough + 1 + LIMITS.dedupeDays) * DAY_MS
}

export interface OpenRange extends LogRange {
  all: RecordWindow
  tenants: TenantNames
}

/** Records that are not stored under their offset: dead letters, duplicates, or lost. */
export async function explainOpen(
  { log, signal, droppedThrough }: LogContext,
  client: pg.ClientBase,
  open: OpenRange,
  result: PartResult,
): Promise<void> {
  const { partition, from, to, all, tenants } = open
  await readRanges(
    ...([log, [{ partition, from, to }], signal] as const),
    async (_, records) => {
      const some = records.filter(({ offset }) => {
        const state = all.states[offset - all.from]
        return state === STATE.event || state === STATE.dead
      })
      if (some.length > 0)
        await reportLost(client, some, { tenants, oldestMs: oldestMs(droppedThrough) }, result)
    },
    // It was reported when the window was read.
    () => {},
  )
}

async function reportLost(
  client: pg.ClientBase,
  records: readonly LogRecord[],
  { tenants, oldestMs }: { tenants: TenantNames; oldestMs: number },
  result: PartResult,
): Promise<void> {
  const read = records.map((record) => ({
    record,
    found: readHashedRecord(record.value, tenants.idOf),
  }))
  const { rows } = await client.query<{ i: string }>(
    `SELECT r.i FROM unnest($1::int[], $2::bigint[], $3::int[], $4::uuid[], $5::float8[]) WITH ORDINALITY AS r (partition, log_offset, tenant, key, received, i)
      WHERE NOT EXISTS (SELECT FROM dead_letter d WHERE d.topic = $6 AND d.partition = r.partition AND d.log_offset = r.log_offset)
        AND NOT EXISTS (SELECT FROM event e WHERE e.tenant_id = r.tenant AND e.event_id = r.key
                           AND e.received_on BETWEEN (to_timestamp(r.received) AT TIME ZONE 'UTC')::date - ${LIMITS.dedupeDays}
                                                 AND (to_timestamp(r.received) AT TIME ZONE 'UTC')::date + ${LIMITS.dedupeDays})
      ORDER BY 1`,
    [
      records.map(({ partition }) => partition),
      records.map(({ offset }) => offset),
      read.map(({ found }) => (found ? tenants.idOf(found.tenant) : null)),
      read.map(({ found }) => found?.key ?? null),
      read.map(({ found }) => (found ? found.receivedMs / 1000 : null)),
      TOPICS.raw.name,
    ],
  )
  const lost = rows
    .map(({ i }) => read[Number(i) - 1] as (typeof read)[number])
    .filter(({ found }) => !found || found.receivedMs >= oldestMs)
  const groups = Map.groupBy(lost, ({ found, record }) => {
    const minuteMs = Math.floor((found?.receivedMs ?? record.timestamp) / 60_000) * 60_000
    return `${found ? tenants.idOf(found.tenant) : 0} ${new Date(minuteMs).toISOString()}`
  })
  for (const [key, some] of groups) {
    const [tenant, bucket = null] = key.split(' ')
    const ids = some.map(
      ({ found, record }) => found?.eventId ?? `${record.partition}:${record.offset}`,
    )
    addDifference(result, { kind: 'record-lost', tenant: Number(tenant), bucket, ids })
  }
}
