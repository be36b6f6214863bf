import type pg from 'pg'
import { TOPICS } from '../../../../contract/log/topics.ts'
import { DAY_MS, isoDay } from '../../../db/day-partitions.ts'
import { readRetention } from '../../../db/event-retention.ts'
import { addDifference, emptyResult, type PartResult } from '../difference.ts'
import { type HashedRecord, readHashedRecord } from '../log/event-hash.ts'
import { explainOpen, type LogContext, oldestMs, type TenantNames } from '../log/lost-records.ts'
import { type LogRange, readRanges } from '../log/read-range.ts'
import { createWindow, openRange, type RecordWindow, STATE } from '../log/record-window.ts'
import { readStoredHashes } from '../log/stored-hashes.ts'
import { beginSnapshot, type Check, type VerifyContext } from '../part.ts'

/** Records of one part, in all partitions together: forty megabytes. */
const WINDOW_RECORDS_MAX = 8_000_000

/**
 * The log against what is stored of it. Each record that the workers have passed is one of: an event with exactly this
 * content under its offset, a duplicate of a stored event, or a dead letter. And no event is stored under an offset of
 * the log that holds something else.
 */
export const checkLogRecords: Check = async (context, client) => {
  const { log } = context
  if (!log) return []
  const ranges = await findRanges({ ...context, log }, client)
  if (typeof ranges === 'string')
    return [{ name: 'log', run: async () => ({ ...emptyResult(), notChecked: ranges }) }]
  return cutIntoWindows(ranges).map((window) => ({
    name: `log ${window.map(({ partition, from, to }) => `${partition}:${from}-${to}`).join(' ')}`,
    run: (client) => compareWindow({ ...context, log }, window, client),
  }))
}

/** What the log holds and the workers have passed; or why nothing can be compared. */
async function findRanges(
  { log, fromMs, toMs }: LogContext,
  client: pg.ClientBase,
): Promise<LogRange[] | string> {
  const topic = TOPICS.raw.name
  const { rows } = await client.query(
    'SELECT partition, next_offset::float8 AS position, log_identity AS identity FROM log_position WHERE topic = $1',
    [topic],
  )
  const identity = await log.identity(topic)
  if (rows.some((row) => row.identity !== null && row.identity !== identity))
    return 'the log, because the stored offsets belong to another one'
  const positions = new Map(rows.map((row) => [row.partition, row.position]))
  const begin = Number.isFinite(fromMs) ? await log.offsetsAt(topic, fromMs - DAY_MS) : undefined
  const end = Number.isFinite(toMs) ? await log.offsetsAt(topic, toMs + DAY_MS) : undefined
  return (await log.offsets(topic)).map(({ partition, logStartOffset, lastStableOffset }) => ({
    partition,
    from: Math.max(logStartOffset, begin?.get(partition) ?? 0),
    to: Math.min(
      lastStableOffset,
      positions.get(partition) ?? 0,
      end?.get(partition) ?? lastStableOffset,
    ),
  }))
}

/** The partitions advance together, as they were written. */
function cutIntoWindows(ranges: readonly LogRange[]): LogRange[][] {
  const records = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0)
  const count = Math.ceil(records / WINDOW_RECORDS_MAX)
  return Array.from({ length: count }, (_, i) =>
    ranges
      .map(({ partition, from, to }) => {
        const at = (n: number) => from + Math.floor(((to - from) * n) / count)
        return { partition, from: at(i), to: at(i + 1) }
      })
      .filter(({ from, to }) => from < to),
  )
}

async function compareWindow(
  context: LogContext,
  ranges: readonly LogRange[],
  client: pg.ClientBase,
): Promise<PartResult> {
  const result = emptyResult()
  const windows = new Map(
    ranges.map((range) => [range.partition, createWindow(range.partition, range.from, range.to)]),
  )
  const tenants = await readTenants(client)
  // The rows are read in a later snapshot than the positions: what was applied until then is in it.
  await client.query('COMMIT')
  const days = await readWindow(context, windows, tenants, result)
  await client.query(beginSnapshot(context))
  const { droppedThrough } = await readRetention((text, values) => client.query(text, values))
  const inSnapshot = { ...context, droppedThrough }
  await matchStored(context, client, windows, days, result)
  for (const window of windows.values()) {
    const open = openRange(window)
    if (open)
      await explainOpen(inSnapshot, client, { ...window, ...open, all: window, tenants }, result)
  }
  return result
}

async function readTenants(client: pg.ClientBase): Promise<TenantNames> {
  const { rows } = await client.query('SELECT tenant_id, slug FROM tenant')
  const ids = new Map<string, number>(rows.map((row) => [row.slug, row.tenant_id]))
  return { idOf: (name) => ids.get(name) }
}

/** Days of receipt that the records name. */
interface DayRange {
  first: number
  last: number
}

async function readWindow(
  context: LogContext,
  windows: ReadonlyMap<number, RecordWindow>,
  tenants: TenantNames,
  result: PartResult,
): Promise<DayRange> {
  const days = { first: Number.POSITIVE_INFINITY, last: Number.NEGATIVE_INFINITY }
  await readRanges(
    ...([context.log, [...windows.values()], context.signal] as const),
    (partition, records) => {
      const window = windows.get(partition) as RecordWindow
      for (const record of records) {
        result.checked++
        const index = record.offset - window.from
        const found = readHashedRecord(record.value, tenants.idOf)
        window.hashes[index] = found?.hash ?? 0
        window.states[index] = stateOf(context, tenants, found)
        if (!found) continue
        const day = Math.floor(found.receivedMs / DAY_MS)
        if (day < days.first) days.first = day
        if (day > days.last) days.last = day
      }
    },
    async (partition, missing, to) => {
      // The log may have dropped them since the range was read, by its retention.
      const start = (await context.log.offsets(TOPICS.raw.name)).find(
        (held) => held.partition === partition,
      )?.logStartOffset
      const from = Math.min(Math.max(missing, start ?? 0), to)
      const { states, from: first } = windows.get(partition) as RecordWindow
      states.fill(STATE.ignored, missing - first, from - first)
      if (from === to) return
      addDifference(result, {
        ...{ kind: 'offset', metric: `partition ${partition}`, stored: null },
        ...{
          recounted: `the log lacks ${to - from} records from offset ${from}`,
          ids: [`${partition}:${from}`],
        },
      })
    },
  )
  return days
}

function stateOf(
  { tenantId, droppedThrough }: VerifyContext,
  tenants: TenantNames,
  found: HashedRecord | undefined,
): number {
  if (!found) return tenantId === undefined ? STATE.dead : STATE.ignored
  if (tenantId !== undefined && tenants.idOf(found.tenant) !== tenantId) return STATE.ignored
  return found.receivedMs < oldestMs(droppedThrough) ? STATE.ignored : STATE.event
}

/** Marks the records whose event is stored; rows that the log knows nothing of are differences. */
async function matchStored(
  { tenantId }: VerifyContext,
  client: pg.ClientBase,
  windows: ReadonlyMap<number, RecordWindow>,
  days: DayRange,
  result: PartResult,
): Promise<void> {
  const wrong: Record<'event-changed' | 'event-not-in-log', string[]> = {
    'event-changed': [],
    'event-not-in-log': [],
  }
  const counts = { 'event-changed': 0, 'event-not-in-log': 0 }
  const report = (kind: keyof typeof wrong, partition: number, offset: number) => {
    counts[kind]++
    if (wrong[kind].length < LISTED_MAX) wrong[kind].push(`(${partition},${offset})`)
  }
  const bounds = [...windows.values()].map(
    ({ partition, from, to }) =>
      `(log_partition = ${partition} AND log_offset >= ${from} AND log_offset < ${to})`,
  )
  const around = Number.isFinite(days.first)
    ? `received_on BETWEEN date '${isoDay(days.first - 1)}' AND date '${isoDay(days.last + 1)}'`
    : 'true'
  await readStoredHashes(client, {
    where: `${around} AND (${bounds.join(' OR ')}) ${tenantId === undefined ? '' : `AND tenant_id = ${tenantId}`}
      AND stored_at > coalesce((SELECT max(complete_since) FROM log_count_position), '-infinity')`,
    onRow(partition, offset, hash) {
      const window = windows.get(partition) as RecordWindow
      const index = offset - window.from
      const state = window.states[index]
      if (state === STATE.ignored) return
      const isOwn = state === STATE.event && window.hashes[index] === hash
      if (!isOwn)
        report(state === STATE.event ? 'event-changed' : 'event-not-in-log', partition, offset)
      if (state === STATE.event) window.states[index] = STATE.stored
    },
  })
  for (const kind of ['event-changed', 'event-not-in-log'] as const)
    await describeRows(
      client,
      { kind, pairs: wrong[kind], count: counts[kind], days: around },
      result,
    )
}

const LISTED_MAX = 200

/** By tenant, name and 15 minutes, with the ids. */
async function describeRows(
  client: pg.ClientBase,
  wrong: {
    kind: 'event-changed' | 'event-not-in-log'
    pairs: readonly string[]
    count: number
    days: string
  },
  result: PartResult,
): Promise<void> {
  if (wrong.pairs.length === 0) return
  const { rows } = await client.query(
    `SELECT tenant_id, name, date_bin('15 minutes', occurred_at, 'epoch') AS bucket, array_agg(event_id::text) AS ids
       FROM event WHERE ${wrong.days} AND (log_partition::int, log_offset) IN (${wrong.pairs.join(', ')}) GROUP BY 1, 2, 3`,
  )
  for (const { tenant_id: tenant, name: metric, bucket, ids } of rows)
    addDifference(result, { kind: wrong.kind, tenant, metric, bucket: bucket.toISOString(), ids })
  result.more += wrong.count - wrong.pairs.length
}
